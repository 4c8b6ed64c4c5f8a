//! Delivery statistics of a webhook, kept as sums.
//!
//! Workers sum up the outcomes that they record and pass the sums about once a second to the store, which
//! keeps them in buckets of five minutes and of an hour. Statistics are therefore read from a few hundred
//! small rows, however many deliveries they cover.

mod histogram;

use std::time::Duration;

pub use histogram::Histogram;

use crate::{Attempt, DeliveryId, FailureClass, Settled, Settlement, Timestamp, Trigger};

/// The results of deliveries and attempts over some time. The default is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// The deliveries that succeeded. A redelivered delivery counts each time it ends.
    pub succeeded: u64,
    /// The deliveries that failed.
    pub failed: u64,
    /// The deliveries that were cancelled.
    pub cancelled: u64,
    /// The automatic attempts after the first of each delivery.
    pub retries: u64,
    /// The attempts by result.
    pub attempts: AttemptCounts,
    /// The durations of the successful attempts.
    pub latency: Histogram,
    /// The times from the acceptance of an event to the success of its delivery, for deliveries that
    /// succeeded without a request.
    pub time_to_success: Histogram,
}

impl Counters {
    /// Counts a settlement that a worker has recorded.
    pub fn settled(&mut self, settlement: &Settlement) {
        match settlement.settled {
            Settled::Succeeded => self.succeeded = self.succeeded.saturating_add(1),
            Settled::Failed(_) => self.failed = self.failed.saturating_add(1),
            Settled::RetryAfter(_) | Settled::Resumed | Settled::Interrupted => {}
        }
        if let Some(attempt) = &settlement.attempt {
            self.attempt(settlement.lease.delivery, attempt);
        }
    }

    fn attempt(&mut self, delivery: DeliveryId, attempt: &Attempt) {
        let failure = attempt.outcome.failure.as_ref();
        self.attempts.count(failure.map(|failure| failure.class));
        let is_automatic = attempt.trigger == Trigger::Automatic;
        if is_automatic && attempt.number > 1 {
            self.retries = self.retries.saturating_add(1);
        }
        if failure.is_none() {
            self.latency.record(attempt.duration);
            if is_automatic {
                let ended_at = attempt.started_at + attempt.duration;
                self.time_to_success.record(ended_at.since(delivery.time()));
            }
        }
    }

    /// Counts an abandoned attempt.
    pub fn abandoned(&mut self) {
        self.attempts.count(Some(FailureClass::Abandoned));
    }

    /// Adds other sums.
    pub fn add(&mut self, other: &Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.failed = self.failed.saturating_add(other.failed);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
        self.retries = self.retries.saturating_add(other.retries);
        self.attempts.add(&other.attempts);
        self.latency.add(&other.latency);
        self.time_to_success.add(&other.time_to_success);
    }

    /// Returns the share of deliveries that succeeded, without cancelled ones; `None` if there were none.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.succeeded.saturating_add(self.failed);
        (ended > 0).then(|| self.succeeded as f64 / ended as f64)
    }
}

/// The number of attempts by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    succeeded: u64,
    failed: [u64; FailureClass::ALL.len()],
}

impl AttemptCounts {
    /// Counts one attempt: a failure of this class, or a success.
    pub fn count(&mut self, failure: Option<FailureClass>) {
        let count = match failure.and_then(place) {
            Some(place) => &mut self.failed[place],
            None => &mut self.succeeded,
        };
        *count = count.saturating_add(1);
    }

    fn add(&mut self, other: &Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        for (count, more) in self.failed.iter_mut().zip(other.failed) {
            *count = count.saturating_add(more);
        }
    }

    /// Returns the number of successes.
    #[must_use]
    pub const fn succeeded(&self) -> u64 {
        self.succeeded
    }

    /// Returns the number of failures by class.
    pub fn failed(&self) -> impl Iterator<Item = (FailureClass, u64)> + Clone {
        FailureClass::ALL.into_iter().zip(self.failed)
    }

    /// Returns the total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.failed.iter().fold(self.succeeded, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the counts as stores keep them: successes, then failures in the order of
    /// [`FailureClass::ALL`].
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.succeeded).chain(self.failed)
    }

    /// Restores what [`Self::counts`] returned; missing counts at the end are zero.
    #[must_use]
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        let mut counts = counts.into_iter();
        let succeeded = counts.next().unwrap_or(0);
        let mut failed = [0; FailureClass::ALL.len()];
        for (place, count) in failed.iter_mut().zip(counts) {
            *place = count;
        }
        Self { succeeded, failed }
    }
}

fn place(class: FailureClass) -> Option<usize> {
    FailureClass::ALL.iter().position(|known| *known == class)
}

/// The length of time over which sums are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// The bucket for windows of up to a day.
    FiveMinutes,
    /// The bucket for longer windows.
    Hour,
}

impl Bucket {
    /// Both lengths.
    pub const ALL: [Self; 2] = [Self::FiveMinutes, Self::Hour];

    /// The time for which five-minute buckets are kept; hour buckets are kept as long as the history.
    pub const KEEP_FINE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

    /// Returns how long buckets of this length are kept if the history is kept for `retention`.
    #[must_use]
    pub fn kept(self, retention: Duration) -> Duration {
        match self {
            Self::FiveMinutes => retention.min(Self::KEEP_FINE),
            Self::Hour => retention,
        }
    }

    /// Returns the length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        match self {
            Self::FiveMinutes => 5 * 60,
            Self::Hour => 60 * 60,
        }
    }

    /// Returns the beginning of the bucket that contains a moment.
    #[must_use]
    pub fn begin(self, at: Timestamp) -> Timestamp {
        let width = i64::from(self.seconds()) * 1_000_000;
        Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(width))
    }

    /// Returns the beginning of the first bucket that begins after a moment.
    #[must_use]
    pub fn after(self, at: Timestamp) -> Timestamp {
        self.begin(at) + Duration::from_secs(self.seconds().into())
    }
}

/// The length of time that statistics cover: `30m`, `24h`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsWindow(Duration);

/// The reason why a text is not a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of minutes, hours or days, like 30m, 24h or 7d, and at least 5m")]
pub struct StatisticsWindowError;

impl StatisticsWindow {
    /// A window of one day.
    pub const DAY: Self = Self(Duration::from_secs(24 * 60 * 60));

    /// Returns the length.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Returns the buckets that the window covers. None of them contains anything from before `not_before`.
    #[must_use]
    pub fn span(self, now: Timestamp, not_before: Option<Timestamp>) -> Span {
        let bucket = if self.0 <= Self::DAY.0 { Bucket::FiveMinutes } else { Bucket::Hour };
        let wanted = bucket.begin(now - self.0);
        let since = not_before.map_or(wanted, |bound| wanted.max(bucket.after(bound).min(now)));
        Span { bucket, since, until: now }
    }
}

impl std::str::FromStr for StatisticsWindow {
    type Err = StatisticsWindowError;

    fn from_str(text: &str) -> Result<Self, StatisticsWindowError> {
        let least = Duration::from_secs(Bucket::FiveMinutes.seconds().into());
        let window = rdev_core::parse_window(text).filter(|window| *window >= least);
        window.map(Self).ok_or(StatisticsWindowError)
    }
}

/// The buckets that a window covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The length of each bucket.
    pub bucket: Bucket,
    /// The beginning of the first bucket.
    pub since: Timestamp,
    /// The current moment, within the last bucket.
    pub until: Timestamp,
}

/// The statistics of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// The covered time.
    pub span: Span,
    /// The sums over that time.
    pub sums: Counters,
    /// The deliveries that ended in each bucket of that time, oldest first. Buckets in which none ended may be missing.
    pub course: Vec<Tally>,
    /// The unfinished deliveries.
    pub backlog: Backlog,
}

/// The deliveries that ended in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The beginning of the bucket.
    pub since: Timestamp,
    /// The deliveries that succeeded.
    pub succeeded: u64,
    /// The deliveries that failed.
    pub failed: u64,
}

impl Tally {
    /// Returns the tally of the counters of a bucket.
    #[must_use]
    pub const fn new(since: Timestamp, sums: &Counters) -> Self {
        Self { since, succeeded: sums.succeeded, failed: sums.failed }
    }
}

/// The unfinished deliveries of a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The number of deliveries, counted up to [`Self::LIMIT`].
    pub count: u32,
    /// Whether there are more than the limit.
    pub has_more: bool,
    /// The delivery that was accepted first.
    pub oldest: Option<DeliveryId>,
}

impl Backlog {
    /// The number at which counting stops: a higher count is not worth the time.
    pub const LIMIT: u32 = 10_000;

    /// Creates a backlog from a count that stops at one more than the limit.
    #[must_use]
    pub fn of(counted: u32, oldest: Option<DeliveryId>) -> Self {
        Self { count: counted.min(Self::LIMIT), has_more: counted > Self::LIMIT, oldest }
    }
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
