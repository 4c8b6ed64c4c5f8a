//! The contract of the stores: one test for each MUST of the ports.
//!
//! A store's integration test creates a [`Harness`] and runs the suite on it:
//!
//! ```text
//! rdev_webhooks_testkit::contract_tests!(MyHarness::new().await);
//! ```
//!
//! Each test gets its own harness with an empty store. The store may use the clock of a database, so no test
//! assumes that the clock stands still or compares times more finely than [`TOLERANCE`]. Tests let time pass
//! in whole minutes.

mod advance;
mod api_keys;
mod attempts;
mod browsing;
mod cancelling;
mod circuits;
mod claiming;
mod deleting;
mod disabling;
mod discovering;
mod event_feed;
mod event_types;
mod expiring;
mod feed;
mod filtering;
mod idempotency;
mod limits;
mod missing;
mod model;
mod names;
mod operational;
pub mod populated;
mod pruning;
mod publishing;
mod redelivery;
mod repeating;
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
use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{
    DeliveryFeed, DeliveryHistory, DeliveryQueue, EventFeed, EventRepository, EventTypeRepository,
    ReplayRepository, StatisticsRepository, WebhookRepository,
};

pub use advance::*;
pub use api_keys::*;
pub use attempts::*;
pub use browsing::*;
pub use cancelling::*;
pub use circuits::*;
pub use claiming::*;
pub use deleting::*;
pub use disabling::*;
pub use discovering::*;
pub use event_feed::*;
pub use event_types::*;
pub use expiring::*;
pub use feed::*;
pub use filtering::*;
pub use idempotency::*;
pub use limits::*;
pub use missing::*;
pub use model::*;
pub use names::NAMES;
pub use operational::*;
pub use pruning::*;
pub use publishing::*;
pub use redelivery::*;
pub use repeating::*;
pub use replaying::*;
pub use replays::*;
pub use secrets::*;
pub use settling::*;
pub use statistics::*;
pub use visibility::*;
pub use webhooks::*;

/// Maximum difference between a store's time and the time that a test expects.
pub const TOLERANCE: Duration = Duration::from_secs(20);

/// Deadline of one test.
const TEST_DEADLINE: Duration = Duration::from_secs(180);

/// An empty store under test, and its time.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Returns the store's events.
    fn events(&self) -> Arc<dyn EventRepository>;

    /// Returns the store's webhooks.
    fn webhooks(&self) -> Arc<dyn WebhookRepository>;

    /// Returns the store's queue. The tests of concurrency use several handles at once.
    fn queue(&self) -> Arc<dyn DeliveryQueue>;

    /// Returns the store's history.
    fn history(&self) -> Arc<dyn DeliveryHistory>;

    /// Returns the store's API keys.
    fn api_keys(&self) -> Arc<dyn ApiKeyRepository>;
    /// Returns the store's registered event types.
    fn event_types(&self) -> Arc<dyn EventTypeRepository>;

    /// Returns the store's idempotency keys.
    fn idempotency(&self) -> Arc<dyn IdempotencyRepository>;

    /// Returns the store's statistics.
    fn statistics(&self) -> Arc<dyn StatisticsRepository>;

    /// Returns the store's feed of changes.
    fn feed(&self) -> Arc<dyn DeliveryFeed>;

    /// Returns the store's feed of events.
    fn event_feed(&self) -> Arc<dyn EventFeed>;

    /// Returns the store's replays.
    fn replays(&self) -> Arc<dyn ReplayRepository>;

    /// Lets the store's time pass: afterwards every due time and every end of a lease is earlier by `by`,
    /// relative to [`Self::now`]. So a store on a database's clock shifts its stored times (due times, resume
    /// times, both ends of leases) back.
    async fn advance(&self, by: Duration);

    /// Returns the store's current time.
    async fn now(&self) -> Timestamp;
}

/// Runs one test of the suite within its deadline.
pub async fn run(test: impl Future<Output = ()>) {
    tokio::time::timeout(TEST_DEADLINE, test).await.expect("the test ends within its deadline");
}
