//! The domain of rdev webhooks: webhooks, events, deliveries and attempts, the transitions of a delivery, and
//! the ports to everything outside.
//!
//! The domain does no I/O, reads no clock and draws no random numbers: times, ids and jitter are arguments.
//! Every existing value is valid: only the constructors (`FromStr`, `TryFrom`, `new`) create values, and
//! their errors describe the fault.
//!
//! # The life of an event
//!
//! A producer's event becomes a [`NewEvent`]. [`ports::EventRepository::publish`] stores it together with one
//! delivery for each subscribed webhook, in one transaction. A worker asks [`ports::DeliveryQueue`] for due
//! deliveries, claims each under a [`Lease`](delivery::Lease), passes it to the [`ports::Dispatcher`], and
//! settles the outcome. [`delivery::Progress`] holds the rules.

mod attempt;
mod command_id;
pub mod delivery;
mod delivery_record;
mod destination;
pub mod endpoint_cache;
mod endpoint_url;
mod event;
pub mod event_feed;
mod event_type;
mod event_walk;
pub mod feed;
mod filter;
mod format;
mod headers;
pub mod health;
mod id;
mod operational;
pub mod ports;
mod queue;
mod rate_limit;
mod registered_type;
pub mod replay;
mod retry;
mod secrets;
pub mod statistics;
mod trace;
mod visibility;
mod waiting;
mod wake_up;
mod webhook;
pub mod witness;

pub use attempt::{
    Attempt, AttemptFailure, AttemptOutcome, CapturedResponse, FailureClass, LastAttempt, Phases,
    RESPONSE_BODY_LIMIT, Trigger,
};
pub use command_id::{CommandId, CommandIdError};
pub use delivery::{CancelReason, Delivery, DeliveryState, DeliveryStatus, FailureReason};
pub use delivery_record::DeliveryRecord;
pub use destination::{Cidr, CidrError, DestinationPolicy, RefusedDestination};
pub use endpoint_url::{EndpointUrl, EndpointUrlError};
pub use event::{
    DeliveryCounts, Event, EventKey, EventKeyError, EventRecord, MAX_EVENT_DELIVERIES, MAX_LISTED_BODY,
    NewEvent, PublishOutcome, Published, Target, render_body,
};
pub use event_type::{EventPattern, EventType, EventTypeError, builtin};
pub use event_walk::{EventWalk, WalkStep};
pub use filter::{DeliveryFilter, EventFilter, LastAttemptFilter, WebhookFilter};
pub use format::{BodyFormat, BodyFormatError, EventContent};
pub use headers::{CustomHeaders, CustomHeadersError, REDACTED};
pub use health::{Circuit, Health, HealthEffect, LastFailure};
pub use id::{AttemptId, DeliveryId, EventId, ReplayId, WebhookId};
pub use operational::{
    AffectedWebhook, DisabledWebhook, FailedAttempt, FailedDelivery, FailingWebhook, OperationalEvent,
    RecoveredWebhook, WantedReports, completed_replay,
};
pub use queue::{
    Claim, ClaimShare, DeliveryTarget, Discovery, DueWebhook, LeaseRef, LeasedDelivery, QueueStats,
    RedeliveryRequest, Settled, Settlement,
};
pub use rate_limit::RateLimit;
pub use registered_type::RegisteredType;
pub use replay::{DeliveryOutcome, Matched, Replay, ReplaySelection, ReplayState, ReplayStatus};
pub use retry::{RetryPolicy, RetryPolicyError};
pub use secrets::{PreviousSecret, SecretRotation, SigningSecrets};
pub use trace::{TraceParent, TraceParentError};
pub use visibility::{scopes, sees_delivery, sees_webhook_of};
pub use waiting::WaitingFor;
pub use wake_up::WakeUp;
pub use webhook::{DisabledReason, Metadata, MetadataError, Webhook, WebhookSettings, WebhookState};

pub use rdev_core::{
    Access, ApiKeyId, Damaged, IdError, IdempotencyKey, IdempotencyKeyError, LeaseToken, Page, PageRequest,
    ProjectName, ProjectNameError, Scope, ScopeError, Timestamp, TimestampError,
};
pub use rdev_webhooks_signing as signing;
