//! The contract of all stores.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{
    DeliveryFeed, DeliveryHistory, DeliveryQueue, EventFeed, EventRepository, EventTypeRepository,
    ReplayRepository, StatisticsRepository, WebhookRepository,
};
use rdev_webhooks_testkit::contract::Harness;
use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::Mutex;

use crate::store::Scene;

/// Advances time by moving the database's clock, which every statement of the store uses.
pub(crate) struct PostgresHarness {
    scene: Scene,
    passed: Mutex<Duration>,
}

impl PostgresHarness {
    async fn new() -> Self {
        Self::on(Scene::new().await)
    }

    pub(crate) fn on(scene: Scene) -> Self {
        Self { scene, passed: Mutex::default() }
    }
}

#[async_trait]
impl Harness for PostgresHarness {
    fn events(&self) -> Arc<dyn EventRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn webhooks(&self) -> Arc<dyn WebhookRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn queue(&self) -> Arc<dyn DeliveryQueue> {
        Arc::new(self.scene.store.clone())
    }

    fn history(&self) -> Arc<dyn DeliveryHistory> {
        Arc::new(self.scene.store.clone())
    }

    fn api_keys(&self) -> Arc<dyn ApiKeyRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn idempotency(&self) -> Arc<dyn IdempotencyRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn replays(&self) -> Arc<dyn ReplayRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn feed(&self) -> Arc<dyn DeliveryFeed> {
        Arc::new(self.scene.store.clone())
    }

    fn event_feed(&self) -> Arc<dyn EventFeed> {
        Arc::new(self.scene.store.clone())
    }

    fn statistics(&self) -> Arc<dyn StatisticsRepository> {
        Arc::new(self.scene.store.clone())
    }

    fn event_types(&self) -> Arc<dyn EventTypeRepository> {
        Arc::new(self.scene.store.clone())
    }

    async fn advance(&self, by: Duration) {
        let mut passed = self.passed.lock().await;
        *passed += by;
        let statement = format!(
            "CREATE OR REPLACE FUNCTION rdev_webhooks.now() RETURNS timestamptz
                 LANGUAGE sql STABLE PARALLEL SAFE
                 AS $$ SELECT pg_catalog.now() + interval '{} microseconds' $$",
            passed.as_micros()
        );
        let mut conn = self.scene.database.connect().await;
        conn.execute(AssertSqlSafe(statement)).await.unwrap();
        let seen = format!(
            "UPDATE rdev_webhooks.retention SET seen_at = seen_at + interval '{} microseconds'",
            by.as_micros()
        );
        conn.execute(AssertSqlSafe(seen)).await.unwrap();
    }

    async fn now(&self) -> Timestamp {
        self.scene.now().await
    }
}

rdev_webhooks_testkit::contract_tests!(PostgresHarness::new().await);
