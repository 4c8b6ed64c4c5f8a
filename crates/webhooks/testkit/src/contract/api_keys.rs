//! Tests of `ApiKeyRepository`.

use std::time::Duration;

use rdev_access::{ApiKey, ApiKeyHash};
use rdev_webhooks_domain::{Access, ApiKeyId, PageRequest, scopes};

use super::Harness;
use super::scene::{DAY, HOUR, MINUTE, Scene, all_pages, first};
use crate::samples;

/// Returns a key that is not stored yet, and its hash.
async fn new_key(scene: &Scene<'_>) -> (ApiKey, ApiKeyHash) {
    samples::api_key(&scene.entropy, scene.moment().await)
}

async fn stored_key(scene: &Scene<'_>) -> (ApiKey, ApiKeyHash) {
    let (key, hash) = new_key(scene).await;
    scene.api_keys.create(&key, &hash).await.expect("a new key is stored");
    (key, hash)
}

/// Every field reads back unchanged by each method, with and without optional fields.
pub async fn an_api_key_is_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (plain, plain_hash) = stored_key(&scene).await;
    let (unusual, unusual_hash) = new_key(&scene).await;
    let unusual = ApiKey {
        name: Some("Ünïcödé 🦀, 'quotes'".to_owned()),
        hint: "rdev_Ab0z".to_owned(),
        access: Access {
            scopes: [scopes::EVENTS_WRITE, scopes::WEBHOOKS_READ, scopes::WEBHOOKS_WRITE].into(),
            projects: Some(samples::projects(["my-project", "Projekt é", "100%_\"'"])),
        }
        .into(),
        expires_at: Some(scene.now().await + DAY + Duration::from_micros(7)),
        last_used_at: Some(scene.now().await + Duration::from_micros(1)),
        ..unusual
    };
    scene.api_keys.create(&unusual, &unusual_hash).await.unwrap();
    for (key, hash) in [(&plain, plain_hash), (&unusual, unusual_hash)] {
        assert_eq!(scene.api_keys.get(key.id).await.unwrap().as_ref(), Some(key));
        assert_eq!(scene.api_keys.find(&hash).await.unwrap().as_ref(), Some(key));
    }
    let listed = scene.api_keys.list(first(10)).await.unwrap();
    assert_eq!(listed.items, [unusual, plain]);
    assert!(!listed.has_more);
}

/// A stored key is not stored again and stays unchanged.
pub async fn an_api_key_is_stored_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (key, hash) = stored_key(&scene).await;
    let again = ApiKey { name: Some("another".to_owned()), ..key.clone() };
    scene.api_keys.create(&again, &hash).await.expect("storing a key again is no error");
    assert_eq!(scene.api_keys.list(first(10)).await.unwrap().items, [key]);
}

/// A key is found by its own hash, whatever other keys exist and whether it has expired or not.
pub async fn an_api_key_is_found_by_its_hash(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, one_hash) = stored_key(&scene).await;
    let (expired, expired_hash) = new_key(&scene).await;
    let expired = ApiKey { expires_at: Some(scene.now().await), ..expired };
    scene.api_keys.create(&expired, &expired_hash).await.unwrap();
    scene.advance(HOUR).await;
    assert_eq!(scene.api_keys.find(&one_hash).await.unwrap(), Some(one));
    assert_eq!(scene.api_keys.find(&expired_hash).await.unwrap(), Some(expired));
    let (_, unknown) = new_key(&scene).await;
    assert_eq!(scene.api_keys.find(&unknown).await.unwrap(), None);
}

/// Pages join without gaps and repetitions while keys are added.
pub async fn api_keys_are_paged_newest_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for _ in 0..7 {
        stored_key(&scene).await;
    }
    let fetch = async |page: PageRequest<ApiKeyId>| scene.api_keys.list(page).await.unwrap();
    let add = async || {
        stored_key(&scene).await;
    };
    for limit in [1, 2, 4, 100] {
        let known = fetch(first(100)).await.items;
        let paged = all_pages(limit, |key| key.id, fetch, add).await;
        assert_eq!(paged, known, "in pages of {limit}");
    }
}

/// No method finds a deleted key, and every other key is still found.
pub async fn a_deleted_api_key_is_gone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (gone, gone_hash) = stored_key(&scene).await;
    let (kept, kept_hash) = stored_key(&scene).await;
    assert!(scene.api_keys.delete(gone.id).await.unwrap());
    // Through another handle too.
    for api_keys in [&scene.api_keys, &harness.api_keys()] {
        assert_eq!(api_keys.find(&gone_hash).await.unwrap(), None);
        assert_eq!(api_keys.get(gone.id).await.unwrap(), None);
        assert_eq!(api_keys.list(first(10)).await.unwrap().items, std::slice::from_ref(&kept));
        assert_eq!(api_keys.find(&kept_hash).await.unwrap(), Some(kept.clone()));
    }
    assert!(!scene.api_keys.delete(gone.id).await.unwrap(), "a key is deleted only once");
}

/// The last use never moves back, and a use of a deleted key is ignored.
pub async fn the_last_use_of_an_api_key_is_the_latest(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (key, _) = stored_key(&scene).await;
    let (other, _) = stored_key(&scene).await;
    let start = scene.now().await;
    for (used_at, expected) in [(start, start), (start + HOUR, start + HOUR), (start + MINUTE, start + HOUR)]
    {
        scene.api_keys.touch(key.id, used_at).await.unwrap();
        let touched = scene.api_keys.get(key.id).await.unwrap().unwrap();
        assert_eq!(touched, ApiKey { last_used_at: Some(expected), ..key.clone() });
    }
    assert_eq!(scene.api_keys.get(other.id).await.unwrap(), Some(other.clone()));
    assert!(scene.api_keys.delete(other.id).await.unwrap());
    scene.api_keys.touch(other.id, start).await.expect("a use of a deleted key is no error");
    assert_eq!(scene.api_keys.get(other.id).await.unwrap(), None);
}
