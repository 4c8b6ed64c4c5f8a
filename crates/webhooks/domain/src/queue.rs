//! What workers and the delivery queue tell each other.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Attempt, Circuit, CustomHeaders, DeliveryId, EndpointUrl, EventId, EventType, FailureReason,
    HealthEffect, IdempotencyKey, LastFailure, ProjectName, RateLimit, RetryPolicy, SigningSecrets,
    Timestamp, TraceParent, Trigger, WebhookId,
};

/// The fence of a lease: a random number, new for every claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseToken(i64);

impl LeaseToken {
    /// Makes a token of random bits.
    #[must_use]
    pub const fn new(random: i64) -> Self {
        Self(random)
    }

    /// The number, for a store.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which deliveries there are to be claimed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Discovery {
    /// The enabled webhooks that have something claimable now, in the order of their ids.
    pub due: Vec<DueWebhook>,
    /// Whether there are more of them after the last one here.
    pub has_more: bool,
    /// How long until something becomes claimable for one of the other webhooks that were looked at.
    pub next_due_in: Option<Duration>,
}

/// A webhook that has something claimable, and what limits its share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DueWebhook {
    /// The webhook.
    pub id: WebhookId,
    /// Its own cap on deliveries in flight.
    pub max_in_flight: Option<NonZeroU32>,
    /// Its own cap on deliveries a second.
    pub rate_limit: Option<RateLimit>,
    /// Its own deadline of one attempt.
    pub timeout: Option<Duration>,
    /// How its last attempt failed; none if it did not, or there was none. An attempt whose worker did not live
    /// to record it is such a failure for as long as its delivery waits to be taken over.
    pub last_failure: Option<LastFailure>,
    /// For how long about the longest due of it has been due.
    pub overdue: Duration,
}

/// The queue as a whole, for whoever watches over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueSurvey {
    /// Unfinished deliveries, up to [`Self::MAX_COUNT`].
    pub unfinished: u64,
    /// For how long the longest due of those deliveries has been due that can be claimed now; none if
    /// there is nothing to claim.
    pub oldest_due: Option<Duration>,
    /// The circuits that are not closed, up to [`Self::MAX_CIRCUITS`].
    pub circuits: Vec<(WebhookId, Circuit)>,
}

impl QueueSurvey {
    /// Beyond this nobody counts.
    pub const MAX_COUNT: u64 = 1_000_000;

    /// Beyond this no circuits are listed.
    pub const MAX_CIRCUITS: u32 = 1_000;
}

/// A request for deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The fence of all that is claimed by this.
    pub token: LeaseToken,
    /// From whom, and how many; no webhook twice.
    pub shares: Vec<ClaimShare>,
}

/// How many deliveries of one webhook are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimShare {
    /// Whose.
    pub webhook: WebhookId,
    /// At most this many.
    pub take: u32,
    /// How long the lease lasts.
    pub lease_for: Duration,
}

/// A lease's delivery and fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseRef {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The fence.
    pub token: LeaseToken,
}

/// A delivery that was claimed, with all that is needed to send it.
#[derive(Debug, Clone)]
pub struct LeasedDelivery {
    /// What to settle or release it by.
    pub lease: LeaseRef,
    /// The event, whose id is the receiver's idempotency key.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The exact body.
    pub body: Bytes,
    /// The producer's trace.
    pub traceparent: Option<TraceParent>,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// How many automatic attempts count against the retry policy, this one included if it is one.
    pub automatic_attempts: u32,
    /// How often in a row a worker died of it.
    pub takeovers: u32,
    /// Why it is sent.
    pub trigger: Trigger,
    /// Whether an automatic retry waits behind this attempt; see [`Settled::Resumed`].
    pub resumes: bool,
    /// For how long it had been due when it was claimed.
    pub overdue: Duration,
    /// When it was claimed, by the store's clock.
    pub claimed_at: Timestamp,
    /// The webhook as it is to be sent to, shared by all its deliveries.
    pub target: Arc<DeliveryTarget>,
}

/// A webhook as a worker needs it.
#[derive(Debug, Clone)]
pub struct DeliveryTarget {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The webhook's version, by which what is derived from it can be kept.
    pub version: u64,
    /// Where to.
    pub url: EndpointUrl,
    /// What to send along.
    pub headers: CustomHeaders,
    /// What to sign with.
    pub secrets: SigningSecrets,
    /// When to try again.
    pub retry: RetryPolicy,
    /// The webhook's own deadline of one attempt.
    pub timeout: Option<Duration>,
}

/// How an attempt ended, as far as the delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Done.
    Succeeded,
    /// Given up.
    Failed(FailureReason),
    /// To be tried again that much later, by the store's clock.
    RetryAfter(Duration),
    /// An attempt that was asked for failed; the automatic retry behind it stands.
    Resumed,
    /// The worker cut the attempt off because it ends: it is made again at once, at no cost to the retry policy.
    Interrupted,
}

/// What a worker reports of a delivery that it had claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The lease.
    pub lease: LeaseRef,
    /// How the delivery goes on.
    pub settled: Settled,
    /// The attempt, unless the delivery was given up without one.
    pub attempt: Option<Attempt>,
    /// The endpoint said that it is gone for good, so that the webhook is to be disabled: the version of it that
    /// was tried. Of one that has been changed since, it may have been another endpoint.
    pub gone: Option<u64>,
    /// What the attempt says of the endpoint.
    pub health: HealthEffect,
}

/// Asks for an attempt at a delivery now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedeliveryRequest {
    /// Why the attempt is made.
    pub trigger: Trigger,
    /// The projects that whoever asks is limited to: there is a delivery only if it is visible to these.
    pub visible_to: Option<BTreeSet<ProjectName>>,
    /// The idempotency key that it is asked for under.
    pub key: Option<IdempotencyKey>,
}

impl From<Trigger> for RedeliveryRequest {
    /// Of who sees everything, under no key.
    fn from(trigger: Trigger) -> Self {
        Self { trigger, visible_to: None, key: None }
    }
}
