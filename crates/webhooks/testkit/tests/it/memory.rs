use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{
    Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventFeed, EventRepository, EventTypeRepository,
    ReplayRepository, StatisticsRepository, WebhookRepository,
};
use rdev_webhooks_testkit::contract::{Harness, populated};
use rdev_webhooks_testkit::{ManualClock, MemoryStore, contract_tests};

struct MemoryHarness {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl MemoryHarness {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self { clock, store }
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn events(&self) -> Arc<dyn EventRepository> {
        self.store.clone()
    }

    fn webhooks(&self) -> Arc<dyn WebhookRepository> {
        self.store.clone()
    }

    fn queue(&self) -> Arc<dyn DeliveryQueue> {
        self.store.clone()
    }

    fn history(&self) -> Arc<dyn DeliveryHistory> {
        self.store.clone()
    }

    fn api_keys(&self) -> Arc<dyn ApiKeyRepository> {
        self.store.clone()
    }

    fn idempotency(&self) -> Arc<dyn IdempotencyRepository> {
        self.store.clone()
    }

    fn replays(&self) -> Arc<dyn ReplayRepository> {
        self.store.clone()
    }

    fn feed(&self) -> Arc<dyn DeliveryFeed> {
        self.store.clone()
    }

    fn event_feed(&self) -> Arc<dyn EventFeed> {
        self.store.clone()
    }

    fn statistics(&self) -> Arc<dyn StatisticsRepository> {
        self.store.clone()
    }

    fn event_types(&self) -> Arc<dyn EventTypeRepository> {
        self.store.clone()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

contract_tests!(MemoryHarness::new());

#[tokio::test]
async fn a_populated_store_is_read() {
    let harness = MemoryHarness::new();
    populated::populate(&harness).await;
    harness.advance(Duration::from_secs(2 * 24 * 60 * 60)).await;
    populated::check(&harness, populated::NEWEST).await;
}
