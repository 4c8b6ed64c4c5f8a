//! The use cases of rdev webhooks, over the ports of the domain.
//!
//! - [`Publisher`] stores events with their deliveries, those of many callers in one commit.
//! - [`EventTypeRegistry`] holds the event types and the schemas that the data of their events must match.
//! - [`Webhooks`] creates, updates, deletes and tests webhooks.
//! - [`Deliveries`] redelivers and cancels deliveries on request.
//! - [`Statistics`] records and reports the statistics of webhooks.
//! - [`feed::Feed`] streams the changes of deliveries.
//! - [`Replays`] starts, counts and cancels replays.
//! - [`deliver::Worker`] sends due deliveries, [`ReplayRunner`] runs replays, [`Pruner`] removes expired
//!   data, [`WebhookDisabler`] disables failing and expired webhooks, and [`QueueMonitor`] updates the gauges of
//!   the queue.
//!
//! [`Services`] is what an API needs. An API reads from the ports directly if a use case would add nothing.

mod batcher;
pub mod deliver;
mod deliveries;
mod disabler;
mod event_data;
mod event_types;
pub mod feed;
mod metrics;
mod pruner;
mod publish;
mod queue_monitor;
mod readiness;
mod replay_runner;
mod replays;
mod spans;
mod statistics;
mod webhooks;

use std::sync::Arc;

use rdev_access::{ApiKeys, Idempotency};
use rdev_app::Outages;
use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository};

pub use deliveries::Deliveries;
pub use disabler::WebhookDisabler;
pub use event_data::{EventData, EventDataError, MAX_DATA_BYTES};
pub use event_types::{
    DraftViolation, EventTypeCatalog, EventTypeDefinition, EventTypeOrigin, EventTypeRegistry,
    EventViolation, MAX_EVENT_TYPES, MAX_EXAMPLE_BYTES, MAX_EXAMPLES, MAX_SCHEMA_LEN, NewEventType,
    RegistryError, RegistryRefresher, SchemaViolation,
};
pub use pruner::Pruner;
pub use publish::{
    EventDraft, MAX_BATCH_DELIVERIES, MAX_EVENT_DELIVERIES, MAX_EVENTS, Producer, PublishError, Publisher,
    PublisherTask, TooLarge,
};
pub use queue_monitor::QueueMonitor;
pub use readiness::{NotReady, Readiness};
pub use replay_runner::ReplayRunner;
pub use replays::{NewReplay, ReplayError, Replays};
pub use statistics::{Statistics, StatisticsError, StatisticsTask};
pub use webhooks::{
    MAX_SUBSCRIPTIONS, SecretRotated, Waits, WebhookCreated, WebhookError, WebhookViolation, Webhooks,
};

/// All services that an API needs. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Publishes events.
    pub publisher: Publisher,
    /// Manages webhooks.
    pub webhooks: Webhooks,
    /// Manages API keys and authenticates callers.
    pub api_keys: ApiKeys,
    /// Manages replays.
    pub replays: Replays,
    /// Holds the event types.
    pub event_types: EventTypeRegistry,
    /// Reads events.
    pub events: Arc<dyn EventRepository>,
    /// Reads deliveries.
    pub history: Arc<dyn DeliveryHistory>,
    /// Redelivers and cancels deliveries.
    pub deliveries: Deliveries,
    /// The queue, which also checks the database.
    pub queue: Arc<dyn DeliveryQueue>,
    /// Executes requests under idempotency keys.
    pub idempotency: Idempotency,
    /// Reads the statistics of webhooks.
    pub statistics: Statistics,
    /// Streams the changes of deliveries.
    pub feed: feed::Feed,
    /// Whether the essential tasks of this process, its worker included, are running.
    pub heartbeat: deliver::Heartbeat,
    /// The current failures of the database.
    pub outages: Outages,
}

impl Services {
    /// Returns the readiness check of this process.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness::new(Arc::clone(&self.queue), self.heartbeat.clone(), self.outages.clone())
    }
}
