//! Tests of `IdempotencyRepository`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdev_access::ports::{KeyEnd, KeyRequest, KeyState};
use rdev_access::{Fingerprint, Operation, RememberedAnswer};
use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_domain::{ApiKeyId, IdempotencyKey};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::scene::{DAY, HOUR, LEASE, MINUTE, Scene};
use super::{Harness, TOLERANCE};
use crate::samples;

fn answer(text: &'static [u8]) -> RememberedAnswer {
    RememberedAnswer(Bytes::from_static(text))
}

/// Requests the administrator's key of this name for the request of this text.
async fn request(scene: &Scene<'_>, name: &str, text: &str) -> KeyRequest {
    let entropy: &dyn Entropy = &scene.entropy;
    KeyRequest {
        key: IdempotencyKey::new(None, name.as_bytes()).unwrap(),
        operation: Operation {
            fingerprint: Fingerprint::of(&[text.as_bytes()]),
            seed: entropy.bytes(),
            at: scene.now().await,
        },
        token: samples::token(&scene.entropy),
        lease_for: LEASE,
        keep_for: DAY,
    }
}

fn taken(request: &KeyRequest) -> KeyState {
    KeyState::Taken { operation: request.operation, repeats: false }
}

/// Returns the state of a key that `later` has taken over, with the operation of `first`.
fn taken_over(first: &KeyRequest) -> KeyState {
    KeyState::Taken { operation: first.operation, repeats: true }
}

/// Of all concurrent requests one gets the key, and the others learn that it is in use.
pub async fn an_idempotency_key_is_taken_by_one(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for round in 0..5 {
        let start = Arc::new(Barrier::new(8));
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let request = request(&scene, &format!("k{round}"), "the same").await;
            let (keys, start) = (Arc::clone(&scene.idempotency), Arc::clone(&start));
            asking.spawn(async move {
                start.wait().await;
                let state = keys.begin(&request).await.unwrap();
                if !is_in_use(&state) {
                    assert_eq!(state, taken(&request));
                }
                state
            });
        }
        let states = asking.join_all().await;
        assert_eq!(states.iter().filter(|state| is_in_use(state)).count(), 7, "{states:?}");
    }

    // The same holds for a key that another request has abandoned.
    let first = request(&scene, "left", "the same").await;
    assert_eq!(scene.idempotency.begin(&first).await.unwrap(), taken(&first));
    scene.advance(LEASE + MINUTE).await;
    let start = Arc::new(Barrier::new(8));
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let request = request(&scene, "left", "the same").await;
        let (keys, start) = (Arc::clone(&scene.idempotency), Arc::clone(&start));
        asking.spawn(async move {
            start.wait().await;
            keys.begin(&request).await.unwrap()
        });
    }
    let states = asking.join_all().await;
    assert_eq!(states.iter().filter(|state| **state == taken_over(&first)).count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|state| is_in_use(state)).count(), 7, "{states:?}");
}

/// The same name is a different key for each owner, and for no owner.
pub async fn idempotency_keys_belong_to_their_owners(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let entropy: &dyn Entropy = &scene.entropy;
    let now = scene.now().await;
    let owners =
        [None, Some(ApiKeyId::from_parts(now, [1; 10])), Some(ApiKeyId::from_parts(now, entropy.bytes()))];
    for (n, owner) in owners.into_iter().enumerate() {
        let key = IdempotencyKey::new(owner, b"name").unwrap();
        let request = KeyRequest { key, ..request(&scene, "name", &n.to_string()).await };
        assert_eq!(scene.idempotency.begin(&request).await.unwrap(), taken(&request));
        let end = KeyEnd::Answered(RememberedAnswer(Bytes::from(n.to_string())));
        assert!(scene.idempotency.end(&key, request.token, &end).await.unwrap());
    }
    for (n, owner) in owners.into_iter().enumerate() {
        let key = IdempotencyKey::new(owner, b"name").unwrap();
        let again = KeyRequest { key, ..request(&scene, "name", &n.to_string()).await };
        let expected = KeyState::Answered(RememberedAnswer(Bytes::from(n.to_string())));
        assert_eq!(scene.idempotency.begin(&again).await.unwrap(), expected);
    }
}

/// A stored answer is returned unchanged, whatever bytes it contains, any number of times.
pub async fn an_answer_is_remembered_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 300_000];
    for (n, body) in [vec![], every_byte, large].into_iter().enumerate() {
        let answer = RememberedAnswer(body.into());
        let first = request(&scene, &format!("k{n}"), "the same").await;
        assert_eq!(scene.idempotency.begin(&first).await.unwrap(), taken(&first));
        let end = KeyEnd::Answered(answer.clone());
        assert!(scene.idempotency.end(&first.key, first.token, &end).await.unwrap());
        for _ in 0..2 {
            let again = request(&scene, &format!("k{n}"), "the same").await;
            assert_eq!(scene.idempotency.begin(&again).await.unwrap(), KeyState::Answered(answer.clone()));
            scene.advance(HOUR).await;
        }
    }
}

/// A different request is distinguished from the first one while that is in progress, after it is answered, and
/// after it is abandoned. The first request continues unaffected.
pub async fn an_idempotency_key_is_for_one_request(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let first = request(&scene, "k", "the first").await;
    let other = request(&scene, "k", "the other").await;
    assert_eq!(keys.begin(&first).await.unwrap(), taken(&first));
    assert_eq!(keys.begin(&other).await.unwrap(), KeyState::OtherRequest);
    assert!(!keys.end(&other.key, other.token, &KeyEnd::Undone).await.unwrap());
    assert!(keys.end(&first.key, first.token, &KeyEnd::Unsettled).await.unwrap());
    assert_eq!(keys.begin(&other).await.unwrap(), KeyState::OtherRequest);

    let again = request(&scene, "k", "the first").await;
    assert_eq!(keys.begin(&again).await.unwrap(), taken_over(&first));
    scene.advance(LEASE + MINUTE).await;
    assert_eq!(keys.begin(&other).await.unwrap(), KeyState::OtherRequest);
    let end = KeyEnd::Answered(answer(b"done"));
    assert!(keys.end(&again.key, again.token, &end).await.unwrap());
    assert_eq!(keys.begin(&other).await.unwrap(), KeyState::OtherRequest);
    assert_eq!(keys.begin(&first).await.unwrap(), KeyState::Answered(answer(b"done")));
}

fn is_in_use(state: &KeyState) -> bool {
    matches!(state, KeyState::InUse { .. })
}

/// A key in use cannot be taken while its lease lasts.
async fn assert_in_use(scene: &Scene<'_>, name: &str, what: &str) {
    let state = scene.idempotency.begin(&request(scene, name, what).await).await.unwrap();
    let KeyState::InUse { for_at_most } = state else { panic!("{state:?}") };
    assert!(for_at_most <= LEASE && for_at_most + TOLERANCE >= LEASE, "{for_at_most:?}");
}

/// The next request gets a key whose lease has expired or that was given up, repeatedly, with the operation
/// that it was first taken for.
pub async fn an_idempotency_key_that_was_left_is_taken_over(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let first = request(&scene, "k", "the same").await;
    assert_eq!(keys.begin(&first).await.unwrap(), taken(&first));
    assert_in_use(&scene, "k", "the same").await;
    for _ in 0..2 {
        scene.advance(LEASE + MINUTE).await;
        let next = request(&scene, "k", "the same").await;
        assert_eq!(keys.begin(&next).await.unwrap(), taken_over(&first));
        assert_in_use(&scene, "k", "the same").await;
        assert!(keys.end(&next.key, next.token, &KeyEnd::Unsettled).await.unwrap());

        let next = request(&scene, "k", "the same").await;
        assert_eq!(keys.begin(&next).await.unwrap(), taken_over(&first));
        assert_in_use(&scene, "k", "the same").await;
    }
}

/// The retention counts from the first time that the key was taken. A later request begins a new operation.
pub async fn an_idempotency_key_is_forgotten_in_time(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let answered = request(&scene, "answered", "the first").await;
    let left = request(&scene, "left", "the first").await;
    for request in [&answered, &left] {
        assert_eq!(keys.begin(request).await.unwrap(), taken(request));
    }
    let end = KeyEnd::Answered(answer(b"done"));
    assert!(keys.end(&answered.key, answered.token, &end).await.unwrap());
    scene.advance(DAY - HOUR).await;
    let over = request(&scene, "left", "the first").await;
    assert_eq!(keys.begin(&over).await.unwrap(), taken_over(&left));
    assert_eq!(keys.begin(&answered).await.unwrap(), KeyState::Answered(answer(b"done")));

    scene.advance(HOUR + MINUTE).await;
    for name in ["answered", "left"] {
        let anew = request(&scene, name, "another").await;
        assert_eq!(keys.begin(&anew).await.unwrap(), taken(&anew));
        assert_in_use(&scene, name, "another").await;
        let old = request(&scene, name, "the first").await;
        assert_eq!(keys.begin(&old).await.unwrap(), KeyState::OtherRequest);
        assert!(keys.end(&anew.key, anew.token, &KeyEnd::Unsettled).await.unwrap());
        let again = request(&scene, name, "another").await;
        assert_eq!(keys.begin(&again).await.unwrap(), taken_over(&anew));
    }
    assert!(!keys.end(&left.key, over.token, &KeyEnd::Undone).await.unwrap());
}

/// The token decides: a holder that comes too late, or a second time, changes nothing. A holder with an
/// expired lease that nobody took over is in time.
pub async fn who_lost_an_idempotency_key_records_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let late = request(&scene, "k", "the same").await;
    assert_eq!(keys.begin(&late).await.unwrap(), taken(&late));
    scene.advance(LEASE + MINUTE).await;
    let next = request(&scene, "k", "the same").await;
    assert_eq!(keys.begin(&next).await.unwrap(), taken_over(&late));
    for end in [KeyEnd::Answered(answer(b"late")), KeyEnd::Unsettled, KeyEnd::Undone] {
        assert!(!keys.end(&late.key, late.token, &end).await.unwrap());
    }
    assert_in_use(&scene, "k", "the same").await;
    scene.advance(LEASE + MINUTE).await;
    assert!(keys.end(&next.key, next.token, &KeyEnd::Answered(answer(b"done"))).await.unwrap());
    for end in [KeyEnd::Answered(answer(b"twice")), KeyEnd::Unsettled, KeyEnd::Undone] {
        assert!(!keys.end(&next.key, next.token, &end).await.unwrap());
    }
    assert_eq!(keys.begin(&late).await.unwrap(), KeyState::Answered(answer(b"done")));
    let unknown = request(&scene, "unknown", "the same").await;
    assert!(!keys.end(&unknown.key, unknown.token, &KeyEnd::Undone).await.unwrap());
}

/// An undone request leaves no trace: the key is free for any request.
pub async fn an_undone_request_leaves_its_idempotency_key_free(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let first = request(&scene, "k", "the first").await;
    assert_eq!(keys.begin(&first).await.unwrap(), taken(&first));
    assert!(keys.end(&first.key, first.token, &KeyEnd::Undone).await.unwrap());
    assert!(!keys.end(&first.key, first.token, &KeyEnd::Undone).await.unwrap());
    let other = request(&scene, "k", "the other").await;
    assert_eq!(keys.begin(&other).await.unwrap(), taken(&other));
}

/// All keys past their retention are removed, however many and whatever their state, and the others stay.
pub async fn pruning_removes_idempotency_keys_whose_time_is_over(harness: &dyn Harness) {
    const MANY: usize = 1_100;
    let scene = Scene::new(harness);
    let keys = &scene.idempotency;
    let answered = request(&scene, "answered", "the same").await;
    assert_eq!(keys.begin(&answered).await.unwrap(), taken(&answered));
    let end = KeyEnd::Answered(answer(b"done"));
    assert!(keys.end(&answered.key, answered.token, &end).await.unwrap());
    let mut asking = JoinSet::new();
    for n in 1..MANY {
        let request = request(&scene, &format!("k{n}"), "the same").await;
        let keys = Arc::clone(keys);
        asking.spawn(async move { keys.begin(&request).await.unwrap() });
    }
    asking.join_all().await;
    let long = Duration::from_secs(2 * 24 * 60 * 60);
    let kept = KeyRequest { keep_for: long, ..request(&scene, "kept", "the same").await };
    assert_eq!(keys.begin(&kept).await.unwrap(), taken(&kept));
    assert_eq!(keys.prune().await.unwrap(), 0);
    scene.advance(DAY + MINUTE).await;
    assert_eq!(keys.prune().await.unwrap(), MANY as u64);
    assert_eq!(keys.prune().await.unwrap(), 0);
    let again = request(&scene, "kept", "the same").await;
    assert_eq!(keys.begin(&again).await.unwrap(), taken_over(&kept));
}
