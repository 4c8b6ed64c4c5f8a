//! Webhooks that are moved to other projects while a project-scoped caller acts on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, Webhook, WebhookFilter,
    WebhookId,
};
use rdev_webhooks_testkit::{MemoryStore, samples};
use serde_json::json;

use crate::answer::Answer;
use crate::scene::{Scene, request};

/// A store that changes a webhook just after it was read, once.
struct Moving {
    store: Arc<MemoryStore>,
    armed: Arc<AtomicBool>,
    change: fn(&mut Webhook),
}

#[async_trait]
impl WebhookRepository for Moving {
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError> {
        self.store.create(webhook, secrets).await
    }

    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let found = WebhookRepository::get(&*self.store, access, id).await?;
        if self.armed.swap(false, Ordering::Relaxed) {
            let mut moved = found.clone().unwrap();
            (self.change)(&mut moved);
            moved.version += 1;
            assert_eq!(self.store.update(&moved).await?, Updated::Applied);
        }
        Ok(found)
    }

    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError> {
        WebhookRepository::list(&*self.store, access, filter, page).await
    }

    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
        self.store.update(webhook).await
    }

    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError> {
        self.store.rotate_secret(access, id, rotation).await
    }

    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError> {
        self.store.secrets(access, id).await
    }

    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError> {
        self.store.delete(access, id, versions).await
    }

    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
        self.store.health(ids).await
    }

    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.store.spent_rates(ids).await
    }

    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
        self.store.disable_failing(after, limit).await
    }

    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
        self.store.disable_expired(limit).await
    }
}

/// A webhook of the project `mine`, and a key that is restricted to this project.
struct World {
    scene: Scene,
    armed: Arc<AtomicBool>,
    webhook: String,
    key: String,
}

impl World {
    async fn new(change: fn(&mut Webhook)) -> Self {
        let armed = Arc::new(AtomicBool::new(false));
        let arm = Arc::clone(&armed);
        let scene = Scene::over(move |store| Arc::new(Moving { store, armed: arm, change }));
        let own = json!({"url": "https://mine.example/", "events": ["*"], "projects": ["mine"]});
        let webhook = scene.post("/webhooks", own.to_string()).await.expect(201).json();
        let limited = json!({"scopes": ["webhooks:write"], "projects": ["mine"]});
        let key = scene.post("/api-keys", limited.to_string()).await.expect(201).json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        Self { webhook: text(&webhook["id"]), key: text(&key["key"]), scene, armed }
    }

    /// Acts on the webhook, which is changed as soon as it is read.
    async fn act(&self, action: &str) -> Answer {
        self.armed.store(true, Ordering::Relaxed);
        let path = format!("/webhooks/{}{action}", self.webhook);
        let authorization = format!("Bearer {}", self.key);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if action == "/replay" { r#"{"since":"2025-01-01T00:00:00Z"}"# } else { "{}" };
        self.scene.send(request("POST", &path, &headers, body)).await
    }
}

#[tokio::test]
async fn an_action_fails_on_a_concurrently_moved_webhook() {
    let moves: [fn(&mut Webhook); 2] = [
        |webhook| webhook.settings.projects = samples::projects(["theirs"]),
        |webhook| webhook.settings.projects = samples::projects(["mine", "theirs"]),
    ];
    for action in ["/test", "/secret/rotate", "/replay"] {
        for move_away in moves {
            let world = World::new(move_away).await;
            let answer = world.act(action).await.expect(404);
            assert_eq!(answer.code(), "not_found");
            assert!(!world.armed.load(Ordering::Relaxed), "the webhook was not moved");
            assert_eq!(world.scene.get("/deliveries").await.json()["data"], json!([]), "{action}");
            let webhook = world.scene.get(&format!("/webhooks/{}", world.webhook)).await;
            assert_eq!(webhook.header("etag"), "\"2\"", "{action}");
        }
    }
}

#[tokio::test]
async fn an_action_succeeds_after_other_concurrent_changes() {
    for action in [("/test", 202), ("/secret/rotate", 200), ("/replay", 202)] {
        let world = World::new(|webhook| webhook.settings.description = Some("changed".to_owned())).await;
        world.act(action.0).await.expect(action.1);
        assert!(!world.armed.load(Ordering::Relaxed), "the webhook was not changed");
    }
}
