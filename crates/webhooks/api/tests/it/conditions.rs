//! Entity tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, Webhook, WebhookFilter,
    WebhookId,
};
use rdev_webhooks_testkit::MemoryStore;

use crate::answer::Answer;
use crate::scene::{Scene, request};

async fn patch(scene: &Scene, path: &str, if_match: &str, body: &'static str) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", if_match)];
    scene.send(request("PATCH", path, &headers, body)).await
}

#[tokio::test]
async fn if_none_match_gets_304_for_an_unchanged_webhook() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    let first = scene.get(&path).await.expect(200);
    assert_eq!(first.header("etag"), "\"1\"");
    for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = scene.call("GET", &path, &[("if-none-match", known)]).await.expect(304);
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(answer.header("content-length"), first.body.len().to_string());
    }
    scene.json("PATCH", &path, r#"{"description":"a"}"#).await.expect(200);
    let answer = scene.call("GET", &path, &[("if-none-match", "\"1\"")]).await.expect(200);
    assert_eq!(answer.header("etag"), "\"2\"");
}

#[tokio::test]
async fn a_change_requires_the_version_in_if_match() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    let changed = patch(&scene, &path, "\"1\"", r#"{"description":"a"}"#).await.expect(200);
    assert_eq!(changed.header("etag"), "\"2\"");
    for stale in ["\"1\"", "W/\"2\"", "\"02\"", "2", "\"1\",\"3\""] {
        let answer = patch(&scene, &path, stale, r#"{"description":"b"}"#).await.expect(412);
        assert_eq!(
            (answer.code().as_str(), answer.places()),
            ("version_mismatch", vec!["#If-Match".to_owned()])
        );
    }
    assert_eq!(scene.get(&path).await.json()["description"], "a");
    for fresh in ["*", "\"1\", \"3\"", "\"5\""] {
        patch(
            &scene,
            &path,
            fresh,
            if fresh == "*" { r#"{"description":"b"}"# } else { r#"{"enabled":false}"# },
        )
        .await
        .expect(200);
        scene.json("PATCH", &path, r#"{"enabled":true}"#).await.expect(200);
    }
}

#[tokio::test]
async fn a_deletion_requires_the_version_in_if_match() {
    let scene = Scene::new();
    for (nth, fresh) in ["\"2\"", "*", "\"1\", \"2\""].into_iter().enumerate() {
        let path = format!("/webhooks/{}", scene.webhook().await);
        scene.json("PATCH", &path, r#"{"description":"a"}"#).await.expect(200);
        for stale in ["\"1\"", "W/\"2\"", "2", "\"1\",\"3\""] {
            let answer = scene.call("DELETE", &path, &[("if-match", stale)]).await.expect(412);
            assert_eq!(
                (answer.code().as_str(), answer.places()),
                ("version_mismatch", vec!["#If-Match".to_owned()])
            );
        }
        scene.get(&path).await.expect(200);
        scene.call("DELETE", &path, &[("if-match", fresh)]).await.expect(204);
        let gone = scene.call("DELETE", &path, &[("if-match", "\"1\"")]).await.expect(404);
        assert_eq!(gone.code(), "not_found", "{nth}");
    }
}

#[tokio::test]
async fn a_patch_without_changes_keeps_the_version() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    for body in ["{}", r#"{"enabled":true}"#, r#"{"retry":{}}"#, r#"{"headers":{"x-a":null}}"#] {
        assert_eq!(patch(&scene, &path, "\"1\"", body).await.expect(200).header("etag"), "\"1\"", "{body}");
    }
}

/// A store in which another client changes the description just before each of the first few updates.
struct Contended(Arc<MemoryStore>, AtomicU32);

#[async_trait]
impl WebhookRepository for Contended {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        self.0.create(webhook, secrets).await
    }

    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        WebhookRepository::get(&*self.0, access, id).await
    }

    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        WebhookRepository::list(&*self.0, access, filter, page).await
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        let left = self.1.load(Ordering::Relaxed);
        if left > 0 {
            self.1.store(left - 1, Ordering::Relaxed);
            let mut other =
                WebhookRepository::get(&*self.0, Access::everything(), webhook.id).await?.unwrap();
            other.version += 1;
            other.settings.description = Some(format!("theirs, {left}"));
            assert_eq!(self.0.update(&other).await?, Updated::Applied);
        }
        self.0.update(webhook).await
    }

    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError> {
        self.0.rotate_secret(access, id, rotation).await
    }

    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError> {
        self.0.secrets(access, id).await
    }

    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError> {
        self.0.delete(access, id, versions).await
    }

    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
        self.0.health(ids).await
    }

    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.0.spent_rates(ids).await
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        self.0.disable_failing(after, limit).await
    }

    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
        self.0.disable_expired(limit).await
    }
}

fn contended(times: u32) -> Scene {
    Scene::over(move |store| Arc::new(Contended(store, AtomicU32::new(times))))
}

#[tokio::test]
async fn a_change_without_a_condition_is_repeated_after_a_concurrent_one() {
    for body in [r#"{"enabled":false}"#, r#"{"retry":{"max_attempts":7}}"#] {
        let scene = contended(2);
        let path = format!("/webhooks/{}", scene.webhook().await);
        let webhook = scene.json("PATCH", &path, body).await.expect(200).json();
        assert_eq!(webhook["description"], "theirs, 1");
        assert!(webhook["enabled"] == false || webhook["retry"]["max_attempts"] == 7, "{webhook}");
    }
}

#[tokio::test]
async fn a_change_with_a_condition_is_refused_after_a_concurrent_one() {
    for if_match in ["\"1\"", "\"1\", \"2\""] {
        let scene = contended(1);
        let path = format!("/webhooks/{}", scene.webhook().await);
        patch(&scene, &path, if_match, r#"{"enabled":false}"#).await.expect(412);
        assert_eq!(scene.get(&path).await.json()["enabled"], true);
    }
}

#[tokio::test]
async fn a_change_with_too_many_concurrent_ones_is_503() {
    for body in [r#"{"enabled":false}"#, r#"{"retry":{"max_attempts":7}}"#] {
        let scene = contended(u32::MAX);
        let path = format!("/webhooks/{}", scene.webhook().await);
        let answer = scene.json("PATCH", &path, body).await.expect(503);
        assert_eq!(answer.code(), "unavailable");
    }
}
