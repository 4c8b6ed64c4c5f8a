//! The use cases of rdev webhooks, over the ports of the domain.
//!
//! - [`Publisher`] takes events and stores them with their deliveries, many callers to a commit.
//! - [`Catalogue`] knows the event types, and what the data of their events must match.
//! - [`Webhooks`] makes, changes, deletes and tests webhooks.
//! - [`Deliveries`] makes and calls off single deliveries on request.
//! - [`Statistics`] counts what became of deliveries, and tells.
//! - [`feed::Feed`] lets deliveries be watched as they change.
//! - [`ApiKeys`] makes and deletes API keys, and knows them again.
//! - [`Idempotency`] lets any of this be asked for twice and be done once.
//! - [`Replays`] takes orders to deliver ranges again.
//! - [`deliver::Worker`] sends what is due, [`Replaying`] queues what is to be delivered again, [`Retention`]
//!   removes what is old, [`Disabling`] disables webhooks that only fail, and [`Watch`] keeps the gauges of
//!   the queue.
//!
//! [`Services`] is what an API stands on. Reading goes straight to the ports: there is nothing to add.

mod ambient;
mod api_keys;
mod catalogue;
pub mod deliver;
mod deliveries;
mod disabling;
pub mod feed;
mod gather;
mod idempotency;
mod measures;
mod outages;
mod publish;
mod readiness;
mod replaying;
mod replays;
mod retention;
mod statistics;
mod watch;
mod webhooks;

use std::sync::Arc;

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository};

pub use ambient::{Ambient, SystemClock, SystemEntropy};
pub use api_keys::{
    ApiKeyCreated, ApiKeyError, ApiKeyFault, ApiKeyUses, ApiKeys, AuthenticationError, NewApiKey,
};
pub use catalogue::{
    Catalogue, CatalogueError, CatalogueTask, CatalogueType, DraftFault, EventFault, MAX_SCHEMA_LEN,
    MAX_TYPES, NewType, Origin, SchemaFault,
};
pub use deliveries::Deliveries;
pub use disabling::Disabling;
pub use idempotency::{Begun, Idempotency, KEEP_KEYS_FOR, OperationRun};
pub use outages::{Outages, with_causes};
pub use publish::{
    EventDraft, MAX_BATCH_DELIVERIES, MAX_EVENT_DELIVERIES, MAX_EVENTS, Producer, PublishError, Publisher,
    PublisherTask, TooLarge,
};
pub use readiness::{NotReady, Readiness};
pub use replaying::Replaying;
pub use replays::{NewReplay, ReplayError, Replays};
pub use retention::Retention;
pub use statistics::{Statistics, StatisticsError, StatisticsTask};
pub use watch::Watch;
pub use webhooks::{
    MAX_SUBSCRIPTIONS, NewWebhook, SecretRotated, WebhookChange, WebhookCreated, WebhookError, WebhookFault,
    Webhooks,
};

/// Everything that an API needs, cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Takes events.
    pub publisher: Publisher,
    /// Manages webhooks.
    pub webhooks: Webhooks,
    /// Manages API keys, and knows who brings one.
    pub api_keys: ApiKeys,
    /// Manages replays.
    pub replays: Replays,
    /// Which event types there are.
    pub catalogue: Catalogue,
    /// Where events are looked at.
    pub events: Arc<dyn EventRepository>,
    /// Where deliveries are looked at.
    pub history: Arc<dyn DeliveryHistory>,
    /// Takes what is asked of single deliveries.
    pub deliveries: Deliveries,
    /// Tells whether the database answers.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Requests that may be sent again.
    pub idempotency: Idempotency,
    /// Tells what became of webhooks' deliveries.
    pub statistics: Statistics,
    /// Lets deliveries be watched.
    pub feed: feed::Feed,
    /// Whether this process's worker, if it has one, and its other tasks are at work.
    pub heartbeat: deliver::Heartbeat,
    /// What the database fails to do.
    pub outages: Outages,
}

impl Services {
    /// Whether the process can do its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness::new(Arc::clone(&self.queue), self.heartbeat.clone(), self.outages.clone())
    }
}
