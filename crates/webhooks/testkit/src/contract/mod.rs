//! The contract that every store keeps: one test for each MUST of the ports.
//!
//! A store's integration test makes a [`Harness`] and runs the suite on it:
//!
//! ```text
//! rdev_webhooks_testkit::contract_tests!(MyHarness::new().await);
//! ```
//!
//! Each test gets a harness of its own, with an empty store behind it. The store may keep its time by a
//! database's clock: so no test relies on that clock standing still, or compares it more finely than
//! [`TOLERANCE`]; tests let time pass in whole minutes.

mod api_keys;
mod browsing;
mod cancelling;
mod circuits;
mod claiming;
mod event_types;
mod feed;
mod idempotency;
mod model;
mod names;
mod pruning;
mod publishing;
mod redelivery;
mod replaying;
mod replays;
mod scene;
mod secrets;
mod settling;
mod statistics;
mod visibility;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{
    ApiKeyRepository, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventRepository, EventTypeRepository,
    IdempotencyRepository, ReplayRepository, StatisticsRepository, WebhookRepository,
};

pub use api_keys::*;
pub use browsing::*;
pub use cancelling::*;
pub use circuits::*;
pub use claiming::*;
pub use event_types::*;
pub use feed::*;
pub use idempotency::*;
pub use model::*;
pub use names::NAMES;
pub use pruning::*;
pub use publishing::*;
pub use redelivery::*;
pub use replaying::*;
pub use replays::*;
pub use secrets::*;
pub use settling::*;
pub use statistics::*;
pub use visibility::*;
pub use webhooks::*;

/// How far a store's time may be from what a test expects.
pub const TOLERANCE: Duration = Duration::from_secs(20);

/// How long one test may take in all.
const TEST_DEADLINE: Duration = Duration::from_secs(180);

/// An empty store to be tested, and its time.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The store's events.
    fn events(&self) -> Arc<dyn EventRepository>;

    /// The store's webhooks.
    fn webhooks(&self) -> Arc<dyn WebhookRepository>;

    /// The store's queue. Several handles are used at once by the tests of concurrency.
    fn queue(&self) -> Arc<dyn DeliveryQueue>;

    /// The store's history.
    fn history(&self) -> Arc<dyn DeliveryHistory>;

    /// The store's API keys.
    fn api_keys(&self) -> Arc<dyn ApiKeyRepository>;
    /// The store's registered event types.
    fn event_types(&self) -> Arc<dyn EventTypeRepository>;

    /// The store's idempotency keys.
    fn idempotency(&self) -> Arc<dyn IdempotencyRepository>;

    /// The store's statistics.
    fn statistics(&self) -> Arc<dyn StatisticsRepository>;

    /// What tells of changes in the store.
    fn feed(&self) -> Arc<dyn DeliveryFeed>;

    /// The store's replays.
    fn replays(&self) -> Arc<dyn ReplayRepository>;

    /// Lets the store's time pass: afterwards whatever was due at a moment, or leased until then, is so
    /// that much earlier as seen from [`Self::now`]. So a store on a database's clock shifts what it has
    /// stored (due times, resume times, both ends of leases) back.
    async fn advance(&self, by: Duration);

    /// The time that the store has now.
    async fn now(&self) -> Timestamp;
}

/// Runs one test of the suite within its deadline.
pub async fn run(test: impl Future<Output = ()>) {
    tokio::time::timeout(TEST_DEADLINE, test).await.expect("the test ends within its deadline");
}
