//! Responses when something behind the API fails.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use futures_util::stream;
use rdev_access::ports::ApiKeyRepository;
use rdev_access::{ApiKey, ApiKeyHash};
use rdev_webhooks_app::Deliveries;
use rdev_webhooks_domain::ports::{
    AdvanceClaim, Cancellation, DeliveryHistory, DeliveryQueue, EventRepository, Pruned, Redelivery,
    StoreError,
};
use rdev_webhooks_domain::{
    Access, ApiKeyId, Attempt, Claim, Delivery, DeliveryCounts, DeliveryFilter, DeliveryId, DeliveryRecord,
    Discovery, EventFilter, EventId, EventRecord, LastAttempt, LeaseRef, LeasedDelivery, NewEvent, Page,
    PageRequest, PublishOutcome, QueueStats, RedeliveryRequest, Settlement, Timestamp, WakeUp, WebhookId,
};

use crate::scene::{EVENT, Scene, WEBHOOK, request};

/// A store that fails every request in one way.
#[derive(Clone, Copy)]
pub(crate) enum Broken {
    /// The database is unreachable.
    Away,
    /// The database does not respond.
    Silent,
    /// The stored data is unreadable.
    Corrupt,
}

impl Broken {
    async fn fail<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Away => Err(StoreError::Unavailable("connection to s3cret-host refused".into())),
            Self::Silent => std::future::pending().await,
            Self::Corrupt => Err(StoreError::Corrupt {
                table: "t",
                column: "c",
                id: "i".to_owned(),
                source: "s3cret".into(),
            }),
        }
    }
}

#[async_trait]
impl EventRepository for Broken {
    async fn publish_within(&self, _: &[NewEvent], _: u32) -> Result<PublishOutcome, StoreError> {
        self.fail().await
    }

    async fn get(&self, _: &Access, _: EventId) -> Result<Option<EventRecord>, StoreError> {
        self.fail().await
    }

    async fn list(
        &self,
        _: &Access,
        _: &EventFilter,
        _: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        self.fail().await
    }

    async fn count_deliveries(&self, _: &Access, _: &[EventId]) -> Result<Vec<DeliveryCounts>, StoreError> {
        self.fail().await
    }
}

#[async_trait]
impl ApiKeyRepository for Broken {
    async fn create(&self, _: &ApiKey, _: &ApiKeyHash) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn find(&self, _: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        self.fail().await
    }

    async fn get(&self, _: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        self.fail().await
    }

    async fn list(&self, _: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        self.fail().await
    }

    async fn delete(&self, _: ApiKeyId) -> Result<bool, StoreError> {
        self.fail().await
    }

    async fn touch(&self, _: ApiKeyId, _: Timestamp) -> Result<(), StoreError> {
        self.fail().await
    }
}

#[async_trait]
impl DeliveryHistory for Broken {
    async fn get(&self, _: &Access, _: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        self.fail().await
    }

    async fn list(
        &self,
        _: &Access,
        _: &DeliveryFilter,
        _: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        self.fail().await
    }

    async fn attempts(&self, _: DeliveryId, _: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        self.fail().await
    }

    async fn last_attempts(&self, _: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError> {
        self.fail().await
    }

    async fn prune(&self, _: Duration) -> Result<Pruned, StoreError> {
        self.fail().await
    }
}

#[async_trait]
impl DeliveryQueue for Broken {
    async fn discover(&self, _: Option<WebhookId>, _: u32) -> Result<Discovery, StoreError> {
        self.fail().await
    }

    async fn claim(&self, _: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
        self.fail().await
    }

    fn claim_in_advance(&self, _: Claim) -> Option<Box<dyn AdvanceClaim>> {
        None
    }

    async fn release(&self, _: &[LeaseRef]) -> Result<(), StoreError> {
        self.fail().await
    }

    async fn settle(&self, _: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        self.fail().await
    }

    async fn redeliver(
        &self,
        _: &Access,
        _: DeliveryId,
        _: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        self.fail().await
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        self.fail().await
    }

    async fn cancel(&self, _: &Access, _: DeliveryId) -> Result<Option<Cancellation>, StoreError> {
        self.fail().await
    }

    async fn wait_for_work(&self) -> WakeUp {
        WakeUp::Any
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.fail().await
    }
}

const EVENT_ID: &str = "evt_01h455vb4pex5vsknk084sn02q";
const DELIVERY_ID: &str = "dlv_01h455vb4pex5vsknk084sn02q";

fn broken(how: Broken) -> Scene {
    Scene::with(|services| {
        let ambient = rdev_app::Ambient {
            clock: Arc::new(rdev_webhooks_testkit::ManualClock::default()),
            entropy: Arc::new(rdev_webhooks_testkit::SeededEntropy::new(1)),
        };
        let store: Arc<dyn EventRepository> = Arc::new(how);
        let (publisher, task) =
            rdev_webhooks_app::Publisher::new(store.clone(), ambient, services.event_types.clone());
        tokio::spawn(task.run());
        services.publisher = publisher;
        services.events = store;
        services.history = Arc::new(how);
        services.deliveries = Deliveries::new(Arc::new(how), Arc::new(how), services.statistics.clone());
        services.queue = Arc::new(how);
    })
}

#[tokio::test]
async fn an_unreachable_database_is_503_and_a_corrupt_one_500() {
    for (how, status, code) in [(Broken::Away, 503, "unavailable"), (Broken::Corrupt, 500, "internal_error")]
    {
        let scene = broken(how);
        let answers = [
            scene.post("/events", EVENT).await,
            scene.get("/events").await,
            scene.get(&format!("/events/{EVENT_ID}")).await,
            scene.get("/deliveries").await,
            scene.get(&format!("/deliveries/{DELIVERY_ID}")).await,
            scene.get(&format!("/deliveries/{DELIVERY_ID}/attempts")).await,
            scene.call("POST", &format!("/deliveries/{DELIVERY_ID}/redeliver"), &[]).await,
            scene.call("POST", &format!("/deliveries/{DELIVERY_ID}/cancel"), &[]).await,
        ];
        for answer in answers {
            let answer = answer.expect(status);
            assert_eq!(answer.code(), code);
            assert!(!answer.text().contains("s3cret"), "{}", answer.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_hangs_is_503_after_the_deadline() {
    let scene = broken(Broken::Silent);
    let started = tokio::time::Instant::now();
    let answer = scene.get("/events").await.expect(503);
    assert_eq!(answer.code(), "deadline_exceeded");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_slow_name_lookup_is_503_after_the_deadline() {
    let scene = Scene::new();
    let body = WEBHOOK.replace("example.com", "slow.example");
    let answer = scene.post("/webhooks", body).await.expect(503);
    assert_eq!(answer.code(), "deadline_exceeded");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408() {
    let scene = Scene::new();
    let body = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let answer = scene.post("/events", body).await.expect(408);
    assert_eq!(answer.code(), "request_timeout");
}

#[tokio::test]
async fn an_incomplete_body_is_400() {
    let scene = Scene::new();
    let parts = [Ok(EVENT.as_bytes()[..20].to_vec()), Err(std::io::Error::other("reset"))];
    let answer = scene.post("/events", Body::from_stream(stream::iter(parts))).await.expect(400);
    assert_eq!(answer.code(), "incomplete_body");
}

#[tokio::test]
async fn a_panic_is_500_without_its_message() {
    let scene = Scene::new();
    let body = WEBHOOK.replace("example.com", "panic.example");
    let answer = scene.post("/webhooks", body).await.expect(500);
    assert_eq!(answer.code(), "internal_error");
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    scene.webhook().await;
}

#[tokio::test]
async fn an_endless_body_is_413_once_it_exceeds_the_limit() {
    let scene = Scene::new();
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1_000]));
    let sent =
        request("POST", "/events", &[("content-type", "application/json")], Body::from_stream(endless));
    assert_eq!(scene.send(sent).await.expect(413).code(), "body_too_large");
}
