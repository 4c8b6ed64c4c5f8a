//! The messages between workers and the delivery queue.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Attempt, BodyFormat, Circuit, CustomHeaders, DeliveryId, EndpointUrl, EventId, EventType, FailureReason,
    HealthEffect, IdempotencyKey, LastFailure, LeaseToken, ProjectName, RetryPolicy, SigningSecrets,
    Timestamp, TraceParent, Trigger, WebhookId,
};

/// The webhooks with claimable deliveries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Discovery {
    /// The enabled webhooks that have a claimable delivery now, in the order of their ids.
    pub due: Vec<DueWebhook>,
    /// Whether there are more of them after the last one of this page.
    pub has_more: bool,
    /// The time until one of the other examined webhooks has a claimable delivery.
    pub next_due_in: Option<Duration>,
}

/// A webhook with a claimable delivery, and the limits of its share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DueWebhook {
    /// The webhook.
    pub id: WebhookId,
    /// The webhook's own cap on deliveries in flight.
    pub max_in_flight: Option<NonZeroU32>,
    /// Whether the webhook has a limit that all workers keep together: a rate limit or a cap of its own.
    pub is_limited: bool,
    /// The webhook's own deadline of one attempt.
    pub timeout: Option<Duration>,
    /// The failure of its last attempt; `None` if it succeeded or there was none. An abandoned attempt counts
    /// as a failure as long as its delivery waits for a takeover.
    pub last_failure: Option<LastFailure>,
    /// The approximate time for which its longest due delivery has been due.
    pub overdue: Duration,
}

/// Statistics of the whole queue, for monitoring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// The number of unfinished deliveries, up to [`Self::MAX_COUNT`].
    pub unfinished: u64,
    /// The time for which the longest due claimable delivery has been due; `None` if nothing is claimable.
    pub oldest_due: Option<Duration>,
    /// The circuits that are not closed, up to [`Self::MAX_CIRCUITS`].
    pub circuits: Vec<(WebhookId, Circuit)>,
}

impl QueueStats {
    /// The number at which counting stops.
    pub const MAX_COUNT: u64 = 1_000_000;

    /// The maximum number of listed circuits.
    pub const MAX_CIRCUITS: u32 = 1_000;
}

/// A request to claim deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The fencing token of all deliveries of this claim.
    pub token: LeaseToken,
    /// The webhooks and the number of deliveries of each; no webhook occurs twice.
    pub shares: Vec<ClaimShare>,
}

/// The number of deliveries to claim from one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimShare {
    /// The webhook.
    pub webhook: WebhookId,
    /// The maximum number.
    pub take: u32,
    /// The duration of the lease.
    pub lease_for: Duration,
    /// Whether the webhook was [limited](DueWebhook::is_limited) when it was discovered. If it was not but is by
    /// now, the claim may skip it.
    pub is_limited: bool,
}

/// A delivery and the fencing token of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseRef {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The fencing token.
    pub token: LeaseToken,
}

/// A claimed delivery with all that is needed to send it.
#[derive(Debug, Clone)]
pub struct LeasedDelivery {
    /// The lease, by which it is settled or released.
    pub lease: LeaseRef,
    /// The event's id, which is the receiver's idempotency key.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The project that the event belongs to.
    pub project: Option<ProjectName>,
    /// The stored body. The [format](DeliveryTarget::format) renders it as the body of the request.
    pub body: Bytes,
    /// The producer's trace.
    pub traceparent: Option<TraceParent>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The number of automatic attempts that count for the retry policy, including this one if it is
    /// automatic.
    pub automatic_attempts: u32,
    /// The number of workers in a row that ended while they were sending it.
    pub abandoned_count: u32,
    /// Why the attempt is made.
    pub trigger: Trigger,
    /// Whether an automatic retry waits behind this attempt; see [`Settled::Resumed`].
    pub resumes: bool,
    /// The time for which it had been due when it was claimed.
    pub overdue: Duration,
    /// When it was claimed, by the store's clock.
    pub claimed_at: Timestamp,
    /// The endpoint and its settings, shared by all deliveries of the webhook.
    pub target: Arc<DeliveryTarget>,
}

/// The settings of a webhook that a worker needs.
#[derive(Debug, Clone)]
pub struct DeliveryTarget {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The webhook's version, for caches of derived data.
    pub version: u64,
    /// The URL of the endpoint.
    pub url: EndpointUrl,
    /// The custom headers.
    pub headers: CustomHeaders,
    /// The secrets that sign the request.
    pub secrets: SigningSecrets,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// The webhook's own deadline of one attempt.
    pub timeout: Option<Duration>,
    /// The format of the bodies.
    pub format: BodyFormat,
}

/// The effect of an attempt on its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The delivery succeeded.
    Succeeded,
    /// The delivery failed.
    Failed(FailureReason),
    /// The delivery is retried after this time, by the store's clock.
    RetryAfter(Duration),
    /// A requested attempt failed; the automatic retry behind it remains.
    Resumed,
    /// The worker interrupted the attempt because it stops. The attempt is repeated at once and does not
    /// count for the retry policy.
    Interrupted,
}

/// A worker's report on a claimed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The lease.
    pub lease: LeaseRef,
    /// The effect on the delivery.
    pub settled: Settled,
    /// The attempt; `None` if the delivery failed without one.
    pub attempt: Option<Attempt>,
    /// The webhook's version, if the endpoint responded with 410 Gone so that the webhook must be disabled.
    /// If the webhook has changed since, the response may have come from another endpoint.
    pub gone: Option<u64>,
    /// The evidence of the attempt on the endpoint's health.
    pub health: HealthEffect,
}

/// A request for an attempt at a delivery now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeliveryRequest {
    /// Why the attempt is made.
    pub trigger: Trigger,
    /// The idempotency key of the request.
    pub key: Option<IdempotencyKey>,
}

impl From<Trigger> for RedeliveryRequest {
    /// Creates a request without an idempotency key.
    fn from(trigger: Trigger) -> Self {
        Self { trigger, key: None }
    }
}
