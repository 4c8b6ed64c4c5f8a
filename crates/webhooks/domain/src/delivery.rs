//! A delivery's state, and every transition it may make.
//!
//! [`Progress`] is an unfinished delivery's schedule; its methods are the rules that each store keeps,
//! the in-memory one by calling them and the others in SQL. The store contract suite holds all of them
//! to the same behaviour.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    DeliveryId, EventId, EventType, LeaseToken, ProjectName, Settled, Timestamp, TraceParent, Trigger,
    WebhookId,
};

/// A delivery of one event to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id; the time in it is when the event was accepted.
    pub id: DeliveryId,
    /// What is delivered.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// The event's project.
    pub project: Option<ProjectName>,
    /// To whom.
    pub webhook_id: WebhookId,
    /// How many attempts have begun.
    pub attempts: u32,
    /// Where it stands.
    pub state: DeliveryState,
}

/// A delivery together with what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The delivery.
    pub delivery: Delivery,
    /// The exact body that is sent.
    pub body: Bytes,
    /// The producer's trace, which the delivery continues.
    pub traceparent: Option<TraceParent>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Waiting for its first attempt, or for one that was asked for.
    Pending {
        /// When it is due.
        due_at: Timestamp,
    },
    /// A worker is sending it.
    InFlight {
        /// When the worker's lease ends, should it not report before.
        lease_expires_at: Timestamp,
    },
    /// Waiting for another attempt after one that failed.
    Retrying {
        /// When it is due.
        due_at: Timestamp,
    },
    /// The endpoint took it.
    Succeeded {
        /// When that was recorded.
        at: Timestamp,
    },
    /// Given up. It can be redelivered.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        reason: FailureReason,
    },
    /// Called off.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        reason: CancelReason,
    },
}

impl DeliveryState {
    /// The state without its data.
    #[must_use]
    pub const fn status(&self) -> DeliveryStatus {
        match self {
            Self::Pending { .. } => DeliveryStatus::Pending,
            Self::InFlight { .. } => DeliveryStatus::InFlight,
            Self::Retrying { .. } => DeliveryStatus::Retrying,
            Self::Succeeded { .. } => DeliveryStatus::Succeeded,
            Self::Failed { .. } => DeliveryStatus::Failed,
            Self::Cancelled { .. } => DeliveryStatus::Cancelled,
        }
    }

    /// When the next attempt is due, for a delivery that waits for one.
    #[must_use]
    pub const fn next_attempt_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { due_at } | Self::Retrying { due_at } => Some(*due_at),
            _ => None,
        }
    }

    /// When it ended, for a delivery that has.
    #[must_use]
    pub const fn finished_at(&self) -> Option<Timestamp> {
        match self {
            Self::Succeeded { at } | Self::Failed { at, .. } | Self::Cancelled { at, .. } => Some(*at),
            _ => None,
        }
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the outside and in stores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads [`Self::as_str`] back.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}

named!(
    /// A delivery's state without its data.
    DeliveryStatus {
        /// Waiting for its first attempt, or for one that was asked for.
        Pending = "pending",
        /// A worker is sending it.
        InFlight = "in_flight",
        /// Waiting for another attempt after one that failed.
        Retrying = "retrying",
        /// The endpoint took it.
        Succeeded = "succeeded",
        /// Given up.
        Failed = "failed",
        /// Called off.
        Cancelled = "cancelled",
    }
);

named!(
    /// Why a delivery was given up.
    FailureReason {
        /// The retry policy allows no further attempt.
        AttemptsExhausted = "attempts_exhausted",
        /// The one attempt that was asked for failed.
        RedeliveryFailed = "redelivery_failed",
        /// The destination may not be reached, which no retry can change.
        RefusedDestination = "refused_destination",
        /// The endpoint answered 410 Gone.
        Gone = "gone",
        /// Worker after worker ended while sending it.
        Abandoned = "abandoned",
    }
);

named!(
    /// Why a delivery was called off.
    CancelReason {
        /// Its webhook was deleted.
        WebhookDeleted = "webhook_deleted",
        /// Somebody asked for it.
        Requested = "requested",
    }
);

/// A worker's right to send a delivery and to record what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The fence: only who knows it may settle or release.
    pub token: LeaseToken,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// When others may take the delivery over.
    pub expires_at: Timestamp,
}

/// An unfinished delivery's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Attempts begun, whatever triggered them.
    pub attempts: u32,
    /// Automatic attempts begun that count against the retry policy: one that its worker did not
    /// live to record is made again at no cost.
    pub automatic_attempts: u32,
    /// How often in a row a lease expired and was taken over; bounded by [`MAX_TAKEOVERS`].
    pub takeovers: u32,
    /// What triggers, or triggered, the attempt that is due or being made.
    pub trigger: Trigger,
    /// When that attempt is or was due.
    pub due_at: Timestamp,
    /// The automatic retry that waits behind an attempt that was asked for.
    pub resume_at: Option<Timestamp>,
    /// Who is sending it.
    pub lease: Option<Lease>,
}

/// How many workers in a row may die of one delivery before it is given up as
/// [`FailureReason::Abandoned`].
pub const MAX_TAKEOVERS: u32 = 5;

/// An attempt whose worker did not live to record it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbandonedAttempt {
    /// Its number.
    pub number: u32,
    /// What had triggered it.
    pub trigger: Trigger,
    /// When it was claimed.
    pub started_at: Timestamp,
}

/// Somebody else holds the lease, or nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost")]
pub struct LeaseLost;

/// The delivery is being sent at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery is in flight")]
pub struct InFlight;

impl Progress {
    /// A new delivery, due at once.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            attempts: 0,
            automatic_attempts: 0,
            takeovers: 0,
            trigger: Trigger::Automatic,
            due_at: now,
            resume_at: None,
            lease: None,
        }
    }

    /// A finished delivery of so many attempts that is sent again on request.
    #[must_use]
    pub const fn reopened(attempts: u32, automatic_attempts: u32, trigger: Trigger, now: Timestamp) -> Self {
        Self { attempts, automatic_attempts, trigger, ..Self::new(now) }
    }

    /// Where the delivery stands.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DeliveryState {
        match self.lease {
            Some(lease) if now < lease.expires_at => {
                DeliveryState::InFlight { lease_expires_at: lease.expires_at }
            }
            _ if self.attempts > 0 && (self.trigger == Trigger::Automatic || self.resume_at.is_some()) => {
                DeliveryState::Retrying { due_at: self.due_at }
            }
            _ => DeliveryState::Pending { due_at: self.due_at },
        }
    }

    /// When it can be claimed next: when it is due, or when its lease ends.
    #[must_use]
    pub fn claimable_at(&self) -> Timestamp {
        self.lease.map_or(self.due_at, |lease| lease.expires_at.max(self.due_at))
    }

    /// Begins an attempt under a lease; the caller has made sure that it is claimable. Says which
    /// attempt was abandoned where the lease of a dead worker is taken over.
    pub fn claim(
        &mut self,
        token: LeaseToken,
        now: Timestamp,
        lease_for: Duration,
    ) -> Option<AbandonedAttempt> {
        let abandoned = self.abandoned();
        self.lease = Some(Lease { token, taken_at: now, expires_at: now + lease_for });
        self.attempts += 1;
        match abandoned {
            Some(_) => self.takeovers += 1,
            None if self.trigger == Trigger::Automatic => self.automatic_attempts += 1,
            None => {}
        }
        abandoned
    }

    /// Gives a claim back unused: the attempt it began never was.
    pub fn release(&mut self, token: LeaseToken) -> Result<(), LeaseLost> {
        self.check(token)?;
        self.lease = None;
        self.attempts -= 1;
        if self.trigger == Trigger::Automatic {
            self.automatic_attempts -= 1;
        }
        Ok(())
    }

    /// Records how an attempt ended. Answers the final state if the delivery is finished, and none if
    /// it goes on. A delivery whose webhook is gone does not go on.
    pub fn settle(
        &mut self,
        token: LeaseToken,
        settled: Settled,
        now: Timestamp,
        webhook_deleted: bool,
    ) -> Result<Option<DeliveryState>, LeaseLost> {
        self.check(token)?;
        let next_due = match settled {
            Settled::Succeeded => return Ok(Some(DeliveryState::Succeeded { at: now })),
            Settled::Failed(reason) => return Ok(Some(DeliveryState::Failed { at: now, reason })),
            Settled::RetryAfter(wait) => now + wait,
            Settled::Resumed => self.resume_at.unwrap_or(now),
            Settled::Interrupted => self.due_at,
        };
        if webhook_deleted {
            let reason = CancelReason::WebhookDeleted;
            return Ok(Some(DeliveryState::Cancelled { at: now, reason }));
        }
        if settled == Settled::Interrupted {
            self.lease = None;
            if self.trigger == Trigger::Automatic {
                self.automatic_attempts = self.automatic_attempts.saturating_sub(1);
            }
            return Ok(None);
        }
        self.due_at = next_due;
        self.trigger = Trigger::Automatic;
        self.takeovers = 0;
        self.resume_at = None;
        self.lease = None;
        Ok(None)
    }

    /// Makes an attempt due now because somebody asked. An automatic retry that was waiting keeps its
    /// time and happens if this attempt fails; a first attempt that is still due is just brought
    /// forward.
    pub fn redeliver(&mut self, trigger: Trigger, now: Timestamp) -> Result<(), InFlight> {
        if self.lease.is_some_and(|lease| now < lease.expires_at) {
            return Err(InFlight);
        }
        if self.attempts > 0 && self.trigger == Trigger::Automatic && self.lease.is_none() {
            self.resume_at = Some(self.due_at);
            self.trigger = trigger;
        }
        self.due_at = self.due_at.min(now);
        Ok(())
    }

    /// Calls it off because somebody asked. Says which attempt was abandoned where the lease of a dead
    /// worker ends by that.
    pub fn cancel(&self, now: Timestamp) -> Result<(DeliveryState, Option<AbandonedAttempt>), InFlight> {
        if self.lease.is_some_and(|lease| now < lease.expires_at) {
            return Err(InFlight);
        }
        let cancelled = DeliveryState::Cancelled { at: now, reason: CancelReason::Requested };
        Ok((cancelled, self.abandoned()))
    }

    /// The attempt whose worker is dead, once the lease has expired.
    fn abandoned(&self) -> Option<AbandonedAttempt> {
        self.lease.map(|lost| AbandonedAttempt {
            number: self.attempts,
            trigger: self.trigger,
            started_at: lost.taken_at,
        })
    }

    fn check(&self, token: LeaseToken) -> Result<(), LeaseLost> {
        // An expired lease that nobody took over still counts: what its holder knows is true.
        if self.lease.is_some_and(|lease| lease.token == token) { Ok(()) } else { Err(LeaseLost) }
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
