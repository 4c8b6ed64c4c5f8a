//! How a webhook's endpoint has been doing, and the circuit breaker that follows from it.
//!
//! An endpoint that is away is left in peace: after [`OPEN_AFTER`] failures in a row over at least
//! [`OPEN_AFTER_FAILING_FOR`] its circuit opens, and its deliveries wait without using up attempts. When the wait is over the circuit is half open: one
//! delivery, the probe, is let through. If that succeeds the circuit closes; if it fails the circuit
//! opens again, for twice as long. The state is kept with the webhook, so that all workers of a database
//! go by the same. [`Health`]'s methods are the rules; stores call them, or do the same in SQL.

use std::time::Duration;

use crate::{AttemptOutcome, FailureClass, Timestamp};

/// How many failures in a row open a circuit.
pub const OPEN_AFTER: u32 = 50;

/// How long an endpoint must have been failing before its circuit opens. A burst of failures in one
/// moment says little; this leaves the second attempts of the default policy to show better.
pub const OPEN_AFTER_FAILING_FOR: Duration = Duration::from_secs(10);

/// How long a circuit stays open at first.
pub const FIRST_OPEN: Duration = Duration::from_secs(5);

/// How long a circuit stays open at most.
pub const LONGEST_OPEN: Duration = Duration::from_secs(5 * 60);

/// An attempt that fails later than this was silent: it held its place for long. One that fails sooner costs
/// other endpoints nothing.
pub const SILENT_AFTER: Duration = Duration::from_secs(1);

/// What is remembered of an endpoint; the default is one of which nothing bad is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Attempts in a row that found the endpoint unavailable.
    pub consecutive_failures: u32,
    /// How often the circuit has opened since it was last closed.
    pub openings: u32,
    /// Until when nothing is sent, or nothing but the probe that is out.
    pub open_until: Option<Timestamp>,
    /// Whether a probe was let through of which nothing is known yet.
    pub probing: bool,
    /// Since when every attempt has failed, in whatever way.
    pub failing_since: Option<Timestamp>,
    /// When the last failed attempt was recorded.
    pub last_failed_at: Option<Timestamp>,
    /// Whether the last failed attempt was [silent](SILENT_AFTER).
    pub is_silent: bool,
}

/// How the last attempt at a webhook failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastFailure {
    /// Within [`SILENT_AFTER`].
    Prompt,
    /// Later, or its worker did not live to record it.
    Silent,
}

/// Whether deliveries are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All are.
    Closed,
    /// None is.
    Open {
        /// Until when.
        until: Timestamp,
    },
    /// One is, to see how it fares.
    HalfOpen,
}

impl Circuit {
    /// The state's name on the outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What an attempt says of its endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HealthEffect {
    /// Nothing: there was no attempt.
    #[default]
    None,
    /// It works.
    Succeeded,
    /// It is there, or was not asked, and did not take the delivery. The circuit does not mind.
    Rejected,
    /// It is away, broken or overloaded.
    Unavailable,
    /// The same, and the attempt took longer than [`SILENT_AFTER`].
    Silent,
}

impl HealthEffect {
    /// What an outcome says that came in after `duration`.
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

/// What the attempts of one webhook that are recorded together say of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whether any succeeded.
    pub succeeded: bool,
    /// Whether any was rejected.
    pub rejected: bool,
    /// How many found the endpoint unavailable.
    pub unavailable: u32,
    /// Whether any of these was silent.
    pub silent: bool,
}

impl Tally {
    /// Counts one more.
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
    /// Takes in attempts that are recorded together: their order is unknown, so one success among them
    /// shows that the endpoint works, and nothing else counts then.
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

    /// How the last attempt failed; none if it did not.
    #[must_use]
    pub fn last_failure(&self) -> Option<LastFailure> {
        self.failing_since.map(|_| if self.is_silent { LastFailure::Silent } else { LastFailure::Prompt })
    }

    /// Whether a webhook is to be disabled whose deliveries may all fail for as long as `after`: every attempt
    /// has failed for so long, and one of the second half of that time is among them. One failure and then
    /// nothing for days is no reason.
    #[must_use]
    pub fn has_failed_for(&self, after: Duration, now: Timestamp) -> bool {
        let (Some(since), Some(last)) = (self.failing_since, self.last_failed_at) else {
            return false;
        };
        since + after <= now && since + after / 2 <= last
    }

    /// An attempt succeeded: all is forgotten, and the circuit closed.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// An attempt failed in a way that says nothing against the endpoint. If it was the probe, the next
    /// may be sent at once.
    pub fn rejected(&mut self, now: Timestamp) {
        self.failing_since.get_or_insert(now);
        self.last_failed_at = Some(now);
        if self.probing {
            self.probing = false;
            self.open_until = Some(now);
        }
    }

    /// So many attempts found the endpoint unavailable. That opens the circuit if there have been
    /// [`OPEN_AFTER`] in a row over long enough, unless it is open already: then these had begun before.
    pub fn failed(&mut self, times: u32, now: Timestamp) {
        let failing_for = now.since(*self.failing_since.get_or_insert(now));
        self.last_failed_at = Some(now);
        self.consecutive_failures = self.consecutive_failures.saturating_add(times);
        let is_open = !self.probing && matches!(self.circuit(now), Circuit::Open { .. });
        let has_reason = self.consecutive_failures >= OPEN_AFTER && failing_for >= OPEN_AFTER_FAILING_FOR;
        if has_reason && !is_open {
            self.openings = self.openings.saturating_add(1);
            self.open_until = Some(now + open_for(self.openings));
            self.probing = false;
        }
    }

    /// Whether deliveries are let through.
    #[must_use]
    pub fn circuit(&self, now: Timestamp) -> Circuit {
        match self.open_until {
            Some(until) if self.openings > 0 && now < until => Circuit::Open { until },
            _ if self.openings > 0 => Circuit::HalfOpen,
            _ => Circuit::Closed,
        }
    }

    /// Lets a probe through a half-open circuit: nobody sends another as long as its lease lasts, or
    /// until it is known how it fared.
    pub fn probe(&mut self, now: Timestamp, lease_for: Duration) {
        self.probing = true;
        self.open_until = Some(now + lease_for);
    }
}

/// For how long a circuit opens the nth time.
#[must_use]
pub fn open_for(openings: u32) -> Duration {
    // Beyond ten doublings it is the longest anyway.
    let doublings = openings.saturating_sub(1).min(10);
    (FIRST_OPEN * (1 << doublings)).min(LONGEST_OPEN)
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
