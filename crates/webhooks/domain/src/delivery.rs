//! The state of a delivery, and its transitions.
//!
//! [`Progress`] is the schedule of an unfinished delivery; its methods are the rules. The in-memory store
//! calls them, and the others do the same in SQL. The contract suite of the stores holds all of them to the
//! same behaviour.

use std::time::Duration;

use crate::{
    DeliveryId, EventId, EventType, LeaseToken, ProjectName, Settled, Timestamp, Trigger, WebhookId,
};

/// A delivery of one event to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id; the time in it is when the event was accepted.
    pub id: DeliveryId,
    /// The delivered event.
    pub event_id: EventId,
    /// The type of the event.
    pub event_type: EventType,
    /// The project of the event.
    pub project: Option<ProjectName>,
    /// The receiving webhook.
    pub webhook_id: WebhookId,
    /// The number of attempts that have begun.
    pub attempts: u32,
    /// The current state.
    pub state: DeliveryState,
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// The delivery waits for its first attempt, or for a requested one.
    Pending {
        /// When the attempt is due.
        due_at: Timestamp,
    },
    /// A worker is sending the delivery.
    InFlight {
        /// When the worker's lease expires, if the worker does not settle before.
        lease_expires_at: Timestamp,
    },
    /// The delivery waits for another attempt after a failed one.
    Retrying {
        /// When the attempt is due.
        due_at: Timestamp,
    },
    /// The endpoint accepted the delivery.
    Succeeded {
        /// When the success was recorded.
        at: Timestamp,
    },
    /// The delivery failed. It can be redelivered.
    Failed {
        /// When it failed.
        at: Timestamp,
        /// The reason.
        reason: FailureReason,
    },
    /// The delivery was cancelled.
    Cancelled {
        /// When it was cancelled.
        at: Timestamp,
        /// The reason.
        reason: CancelReason,
    },
}

impl DeliveryState {
    /// Returns the state without its data.
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

    /// Returns when the next attempt is due, if the delivery waits for one.
    #[must_use]
    pub const fn next_attempt_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { due_at } | Self::Retrying { due_at } => Some(*due_at),
            _ => None,
        }
    }

    /// Returns when the delivery ended, if it has.
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
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the name in the API and in stores.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Parses a name from [`Self::as_str`].
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == text)
            }
        }
    };
}

named!(
    /// The state of a delivery without its data.
    DeliveryStatus {
        /// The delivery waits for its first attempt, or for a requested one.
        Pending = "pending",
        /// A worker is sending the delivery.
        InFlight = "in_flight",
        /// The delivery waits for another attempt after a failed one.
        Retrying = "retrying",
        /// The endpoint accepted the delivery.
        Succeeded = "succeeded",
        /// The delivery failed.
        Failed = "failed",
        /// The delivery was cancelled.
        Cancelled = "cancelled",
    }
);

named!(
    /// The reason why a delivery failed.
    FailureReason {
        /// The retry policy allows no further attempt.
        AttemptsExhausted = "attempts_exhausted",
        /// The one requested attempt failed.
        RedeliveryFailed = "redelivery_failed",
        /// The destination policy refuses the destination, which no retry can change.
        RefusedDestination = "refused_destination",
        /// The endpoint responded with 410 Gone.
        Gone = "gone",
        /// Several workers in a row ended while they were sending it.
        Abandoned = "abandoned",
    }
);

named!(
    /// The reason why a delivery was cancelled.
    CancelReason {
        /// The webhook was deleted.
        WebhookDeleted = "webhook_deleted",
        /// A client requested it.
        Requested = "requested",
    }
);

/// A worker's right to send a delivery and to record the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The fencing token: only its holder can settle or release.
    pub token: LeaseToken,
    /// When the lease was taken.
    pub taken_at: Timestamp,
    /// When other workers may take the delivery over.
    pub expires_at: Timestamp,
}

/// The schedule of an unfinished delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The attempts that have begun, whatever their trigger.
    pub attempts: u32,
    /// The automatic attempts that have begun and count for the retry policy. An abandoned attempt is
    /// repeated and does not count.
    pub automatic_attempts: u32,
    /// The number of workers in a row whose lease expired while they sent it; at most [`MAX_ABANDONED`].
    pub abandoned_count: u32,
    /// The trigger of the attempt that is due or being made.
    pub trigger: Trigger,
    /// When that attempt is or was due.
    pub due_at: Timestamp,
    /// When the automatic retry that waits behind a requested attempt is due.
    pub deferred_until: Option<Timestamp>,
    /// The lease of the worker that is sending it.
    pub lease: Option<Lease>,
}

/// The number of workers in a row that may end while they send one delivery, before the delivery fails as
/// [`FailureReason::Abandoned`].
pub const MAX_ABANDONED: u32 = 5;

/// An attempt whose worker ended before it recorded the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbandonedAttempt {
    /// The number of the attempt.
    pub number: u32,
    /// Its trigger.
    pub trigger: Trigger,
    /// When it was claimed.
    pub started_at: Timestamp,
}

/// The error for a lease that another worker holds or that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease was lost")]
pub struct LeaseLost;

/// The error for a delivery that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the delivery is in flight")]
pub struct InFlight;

impl Progress {
    /// Creates the schedule of a new delivery, due at once.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            attempts: 0,
            automatic_attempts: 0,
            abandoned_count: 0,
            trigger: Trigger::Automatic,
            due_at: now,
            deferred_until: None,
            lease: None,
        }
    }

    /// Creates the schedule of a finished delivery that is sent again on request.
    #[must_use]
    pub const fn reopened(attempts: u32, automatic_attempts: u32, trigger: Trigger, now: Timestamp) -> Self {
        Self { attempts, automatic_attempts, trigger, ..Self::new(now) }
    }

    /// Returns the state of the delivery.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> DeliveryState {
        match self.lease {
            Some(lease) if now < lease.expires_at => {
                DeliveryState::InFlight { lease_expires_at: lease.expires_at }
            }
            _ if self.attempts > 0
                && (self.trigger == Trigger::Automatic || self.deferred_until.is_some()) =>
            {
                DeliveryState::Retrying { due_at: self.due_at }
            }
            _ => DeliveryState::Pending { due_at: self.due_at },
        }
    }

    /// Returns when the delivery can be claimed next: when it is due, or when its lease expires.
    #[must_use]
    pub fn claimable_at(&self) -> Timestamp {
        self.lease.map_or(self.due_at, |lease| lease.expires_at.max(self.due_at))
    }

    /// Begins an attempt under a lease. The caller has checked that the delivery is claimable. Returns the
    /// abandoned attempt if the lease of a dead worker is taken over.
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
            Some(_) => self.abandoned_count += 1,
            None if self.trigger == Trigger::Automatic => self.automatic_attempts += 1,
            None => {}
        }
        abandoned
    }

    /// Returns a claim unused and undoes the attempt that it began.
    pub fn release(&mut self, token: LeaseToken) -> Result<(), LeaseLost> {
        self.check(token)?;
        self.lease = None;
        self.attempts -= 1;
        if self.trigger == Trigger::Automatic {
            self.automatic_attempts -= 1;
        }
        Ok(())
    }

    /// Records the outcome of an attempt. Returns the final state if the delivery has ended, and `None` if it
    /// continues. A delivery whose webhook was deleted does not continue.
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
            Settled::Resumed => self.deferred_until.unwrap_or(now),
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
        self.abandoned_count = 0;
        self.deferred_until = None;
        self.lease = None;
        Ok(None)
    }

    /// Makes an attempt due now on request. A waiting automatic retry keeps its time and happens if the
    /// requested attempt fails; a first attempt that is not yet made is only brought forward.
    pub fn redeliver(&mut self, trigger: Trigger, now: Timestamp) -> Result<(), InFlight> {
        if self.lease.is_some_and(|lease| now < lease.expires_at) {
            return Err(InFlight);
        }
        if self.attempts > 0 && self.trigger == Trigger::Automatic && self.lease.is_none() {
            self.deferred_until = Some(self.due_at);
            self.trigger = trigger;
        }
        self.due_at = self.due_at.min(now);
        Ok(())
    }

    /// Cancels the delivery on request. Returns the abandoned attempt if that ends the lease of a dead
    /// worker.
    pub fn cancel(&self, now: Timestamp) -> Result<(DeliveryState, Option<AbandonedAttempt>), InFlight> {
        if self.lease.is_some_and(|lease| now < lease.expires_at) {
            return Err(InFlight);
        }
        let cancelled = DeliveryState::Cancelled { at: now, reason: CancelReason::Requested };
        Ok((cancelled, self.abandoned()))
    }

    /// Returns the attempt of the dead worker, if the lease has expired.
    fn abandoned(&self) -> Option<AbandonedAttempt> {
        self.lease.map(|lost| AbandonedAttempt {
            number: self.attempts,
            trigger: self.trigger,
            started_at: lost.taken_at,
        })
    }

    fn check(&self, token: LeaseToken) -> Result<(), LeaseLost> {
        // An expired lease that was not taken over still counts: its holder knows the true result.
        if self.lease.is_some_and(|lease| lease.token == token) { Ok(()) } else { Err(LeaseLost) }
    }
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
