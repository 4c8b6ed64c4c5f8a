//! The health of a webhook's endpoint, and its circuit breaker.
//!
//! After [`OPEN_AFTER`] failures in a row over at least [`OPEN_AFTER_FAILING_FOR`] the circuit opens:
//! deliveries wait without using up attempts. When the wait is over the circuit is half open: one delivery,
//! the probe, is let through. If it succeeds the circuit closes; if it fails the circuit opens again, for
//! twice as long. The state is stored with the webhook, so that all workers of a database see the same. The
//! methods of [`Health`] are the rules; stores call them, or do the same in SQL.

use std::time::Duration;

use crate::{AttemptOutcome, FailureClass, Timestamp};

/// The number of failures in a row that opens a circuit.
pub const OPEN_AFTER: u32 = 50;

/// The shortest time for which an endpoint must have been failing before its circuit opens. A burst of
/// failures at one moment says little; within this time the second attempts of the default policy can
/// succeed.
pub const OPEN_AFTER_FAILING_FOR: Duration = Duration::from_secs(10);

/// The duration of the first wait of an open circuit.
pub const FIRST_OPEN: Duration = Duration::from_secs(5);

/// The longest wait of an open circuit.
pub const LONGEST_OPEN: Duration = Duration::from_secs(5 * 60);

/// The duration from which a failed attempt counts as silent, because it held its slot for long. An attempt
/// that fails sooner costs other endpoints nothing.
pub const SILENT_AFTER: Duration = Duration::from_secs(1);

/// The health of an endpoint. The default is healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// The number of attempts in a row that found the endpoint unavailable.
    pub consecutive_failures: u32,
    /// The number of times that the circuit has opened since it was last closed.
    pub open_count: u32,
    /// Until when nothing is sent, except the probe.
    pub open_until: Option<Timestamp>,
    /// Whether a probe has been let through and its result is not yet known.
    pub is_probing: bool,
    /// When the current series of failed attempts, of any class, began.
    pub failing_since: Option<Timestamp>,
    /// When the last failed attempt was recorded.
    pub last_failed_at: Option<Timestamp>,
    /// Whether the last failed attempt was [silent](SILENT_AFTER).
    pub is_silent: bool,
    /// Whether [`webhook.failing`](crate::builtin::WEBHOOK_FAILING) was published of the current series of failures.
    pub is_reported: bool,
}

/// The way in which the last attempt of a webhook failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastFailure {
    /// The attempt failed within [`SILENT_AFTER`].
    Prompt,
    /// The attempt failed later, or its worker ended before it recorded the result.
    Silent,
}

/// Whether deliveries are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All deliveries are let through.
    Closed,
    /// No delivery is let through.
    Open {
        /// When the wait ends.
        until: Timestamp,
    },
    /// One delivery is let through, as a probe.
    HalfOpen,
}

impl Circuit {
    /// Returns the state's name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The evidence of an attempt on the health of its endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HealthEffect {
    /// Nothing: there was no attempt.
    #[default]
    None,
    /// The endpoint works.
    Succeeded,
    /// The endpoint rejected the delivery, or was never contacted. This does not affect the circuit.
    Rejected,
    /// The endpoint is unreachable, broken or overloaded.
    Unavailable,
    /// The endpoint is unavailable, and the attempt took longer than [`SILENT_AFTER`].
    Silent,
}

impl HealthEffect {
    /// Classifies a result that arrived after `duration`.
    #[must_use]
    pub fn of(outcome: &AttemptOutcome, duration: Duration) -> Self {
        let unavailable = if duration > SILENT_AFTER { Self::Silent } else { Self::Unavailable };
        let Some(failure) = &outcome.failure else {
            return Self::Succeeded;
        };
        match failure.class {
            FailureClass::Dns
            | FailureClass::Connect
            | FailureClass::Tls
            | FailureClass::Timeout
            | FailureClass::Reset
            | FailureClass::Protocol => unavailable,
            FailureClass::Status if matches!(outcome.status(), Some(429 | 500..=599)) => unavailable,
            FailureClass::Status | FailureClass::RefusedDestination => Self::Rejected,
            FailureClass::Abandoned => Self::None,
        }
    }
}

/// The effects of those attempts of one webhook that are recorded together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whether any attempt succeeded.
    pub succeeded: bool,
    /// Whether any attempt was rejected.
    pub rejected: bool,
    /// The number of attempts that found the endpoint unavailable.
    pub unavailable: u32,
    /// Whether any of these was silent.
    pub silent: bool,
}

impl Tally {
    /// Counts one more effect.
    pub fn add(&mut self, effect: HealthEffect) {
        match effect {
            HealthEffect::None => {}
            HealthEffect::Succeeded => self.succeeded = true,
            HealthEffect::Rejected => self.rejected = true,
            HealthEffect::Unavailable | HealthEffect::Silent => {
                self.unavailable = self.unavailable.saturating_add(1);
                self.silent |= effect == HealthEffect::Silent;
            }
        }
    }
}

impl Health {
    /// Records attempts together. Their order is unknown, so one success among them shows that the endpoint
    /// works, and the others do not count.
    pub fn record(&mut self, tally: Tally, now: Timestamp) {
        if tally.succeeded {
            self.succeeded();
        } else if tally.unavailable > 0 {
            self.failed(tally.unavailable, now);
            self.is_silent = tally.silent;
        } else if tally.rejected {
            self.rejected(now);
            self.is_silent = false;
        }
    }

    /// Returns how the last attempt failed; `None` if it succeeded.
    #[must_use]
    pub fn last_failure(&self) -> Option<LastFailure> {
        self.failing_since.map(|_| if self.is_silent { LastFailure::Silent } else { LastFailure::Prompt })
    }

    /// Returns whether a webhook whose deliveries may all fail for `after` must be disabled: every attempt
    /// has failed for that long, and at least one in the second half of that time. One failure followed by
    /// days without an attempt does not suffice.
    #[must_use]
    pub fn has_failed_for(&self, after: Duration, now: Timestamp) -> bool {
        let (Some(since), Some(last)) = (self.failing_since, self.last_failed_at) else {
            return false;
        };
        since + after <= now && since + after / 2 <= last
    }

    /// Records a success: resets everything and closes the circuit.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Records a failure that does not count against the endpoint. If it was the probe, the next probe may be
    /// sent at once.
    pub fn rejected(&mut self, now: Timestamp) {
        self.failing_since.get_or_insert(now);
        self.last_failed_at = Some(now);
        if self.is_probing {
            self.is_probing = false;
            self.open_until = Some(now);
        }
    }

    /// Records attempts that found the endpoint unavailable. They open the circuit if there have been
    /// [`OPEN_AFTER`] in a row over long enough, unless it is already open: then they had begun before.
    pub fn failed(&mut self, times: u32, now: Timestamp) {
        let failing_for = now.since(*self.failing_since.get_or_insert(now));
        self.last_failed_at = Some(now);
        self.consecutive_failures = self.consecutive_failures.saturating_add(times);
        let is_open = !self.is_probing && matches!(self.circuit(now), Circuit::Open { .. });
        let has_reason = self.consecutive_failures >= OPEN_AFTER && failing_for >= OPEN_AFTER_FAILING_FOR;
        if has_reason && !is_open {
            self.open_count = self.open_count.saturating_add(1);
            self.open_until = Some(now + open_for(self.open_count));
            self.is_probing = false;
        }
    }

    /// Records that the circuit's opening is reported. Returns whether that is due: the circuit is not closed, and was
    /// not reported before.
    pub fn report(&mut self) -> bool {
        let is_due = self.open_count > 0 && !self.is_reported;
        self.is_reported |= is_due;
        is_due
    }

    /// Returns the state of the circuit.
    #[must_use]
    pub fn circuit(&self, now: Timestamp) -> Circuit {
        match self.open_until {
            Some(until) if self.open_count > 0 && now < until => Circuit::Open { until },
            _ if self.open_count > 0 => Circuit::HalfOpen,
            _ => Circuit::Closed,
        }
    }

    /// Lets a probe through a half-open circuit. No other probe is sent until its lease ends or its result is
    /// known.
    pub fn probe(&mut self, now: Timestamp, lease_for: Duration) {
        self.is_probing = true;
        self.open_until = Some(now + lease_for);
    }
}

/// Returns how long the circuit stays open the nth time.
#[must_use]
pub fn open_for(open_count: u32) -> Duration {
    // After ten doublings the wait has reached its maximum.
    let doublings = open_count.saturating_sub(1).min(10);
    (FIRST_OPEN * (1 << doublings)).min(LONGEST_OPEN)
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
