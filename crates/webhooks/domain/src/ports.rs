//! The ports: the interfaces through which the use cases reach everything outside, by role.
//!
//! A method is one atomic step; no transaction crosses a port. The requirements of a method are numbered, and
//! each names the test of the contract suite (`rdev_webhooks_testkit::contract`) that every store passes.
//!
//! Every store MUST keep the rules of [`Progress`](crate::delivery::Progress) in any sequence of steps
//! (`any_sequence_of_steps_keeps_the_rules`), and MUST return no error for an id that is unknown or deleted
//! (`what_is_not_there_is_none`).
//!
//! Stores keep their own time (the database's, or a [`Clock`] that they are given). Due times and leases are
//! passed as durations, so that a worker with a wrong clock does no harm.

mod advance_claim;
mod delivery_feed;
mod delivery_history;
mod delivery_queue;
mod dispatcher;
mod event_feed;
mod event_repository;
mod event_type_repository;
mod replay_repository;
mod schema;
mod statistics_repository;
mod webhook_repository;

pub use advance_claim::{AdvanceClaim, AdvanceLeases};
pub use delivery_feed::DeliveryFeed;
pub use delivery_history::{DeliveryHistory, Pruned};
pub use delivery_queue::{Cancellation, DeliveryQueue, Redelivery};
pub use dispatcher::{DispatchReport, DispatchRequest, Dispatcher, LocalCause, LocalFault, MAX_LOCAL_WAIT};
pub use event_feed::EventFeed;
pub use event_repository::EventRepository;
pub use event_type_repository::{EventTypeRepository, Registered, RemovedType};
pub use rdev_core::{Clock, Entropy, PublicCause, StoreError};
pub use replay_repository::{ReplayBegun, ReplayCancelled, ReplayRepository};
pub use schema::{Migration, SchemaState};
pub use statistics_repository::StatisticsRepository;
pub use webhook_repository::{Rotated, Updated, WebhookRepository};
