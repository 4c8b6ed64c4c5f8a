//! Failures of the database. Each outage is logged once when it begins, with its cause, and once when it
//! ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_core::{StoreError, with_causes};
use tokio::time::Instant;

/// The time without a failure after which an outage is over.
const QUIET: Duration = Duration::from_secs(3);

/// The minimum time between two log lines of one outage; a second line reports another cause of the
/// refusal.
const NEXT_CAUSE_AFTER: Duration = Duration::from_secs(10);

/// The current outages of the database. Logs one line when an outage begins, with its cause, and one when
/// it is over, however many operations failed. Clones share their state.
///
/// An unavailable database affects all operations alike, so that is one outage; it ends with
/// [`Self::database_answers`]. If the database refuses an operation, by a trigger for example, that is an
/// outage of the operation alone.
#[derive(Debug, Clone, Default)]
pub struct Outages(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The number of outages, so that a success needs no lock.
    count: AtomicUsize,
    outages: Mutex<BTreeMap<Kind, Outage>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The database is unavailable.
    Unavailable,
    /// The database refuses an operation.
    Operation(String),
}

#[derive(Debug)]
struct Outage {
    began: Instant,
    last_failure: Instant,
    last_line: Instant,
    failures: u64,
    cause: String,
}

impl Outages {
    /// Records a failed operation. Returns true if it was logged, which is so when an outage begins.
    pub fn store_failed(&self, operation: &str, error: &StoreError) -> bool {
        let is_unavailable = matches!(error, StoreError::Unavailable(_));
        let kind = if is_unavailable { Kind::Unavailable } else { Kind::Operation(operation.to_owned()) };
        let is_news = self.fails(kind, error);
        if is_news && is_unavailable {
            tracing::error!(operation, error = with_causes(error), "database unavailable");
        } else if is_news {
            tracing::error!(operation, error = with_causes(error), "operation rejected by the database");
        }
        is_news
    }

    /// Records an operation that failed for another reason than the store. Returns true if it was logged.
    pub fn failed(&self, operation: &str, error: &dyn Error) -> bool {
        let is_news = self.fails(Kind::Operation(operation.to_owned()), error);
        if is_news {
            tracing::error!(operation, error = with_causes(error), "operation failing");
        }
        is_news
    }

    /// Records a success. It ends the operation's outage, unless something failed recently.
    pub fn worked(&self, operation: &str) {
        if !self.is_any() {
            return;
        }
        if let Some(outage) = self.ends(&Kind::Operation(operation.to_owned())) {
            let (duration_ms, failures) = (outage.milliseconds(), outage.failures);
            tracing::info!(operation, duration_ms, failures, "operation recovered");
        }
    }

    /// Records that the database answers and accepts writes.
    pub fn database_answers(&self) {
        if !self.is_any() {
            return;
        }
        if let Some(outage) = self.ends(&Kind::Unavailable) {
            let (duration_ms, failures) = (outage.milliseconds(), outage.failures);
            tracing::info!(duration_ms, failures, "database available again");
        }
    }

    /// Returns true if there is an outage.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// Returns true if the database is unavailable.
    #[must_use]
    pub fn is_database_away(&self) -> bool {
        self.is_any() && self.lock().contains_key(&Kind::Unavailable)
    }

    /// Records a failure, and returns true if it is to be logged.
    fn fails(&self, kind: Kind, error: &dyn Error) -> bool {
        let now = Instant::now();
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let is_unavailable = kind == Kind::Unavailable;
        let mut outages = self.lock();
        let Some(outage) = outages.get_mut(&kind) else {
            let outage = Outage { began: now, last_failure: now, last_line: now, failures: 1, cause };
            outages.insert(kind, outage);
            self.0.count.store(outages.len(), Ordering::Relaxed);
            return true;
        };
        outage.failures += 1;
        outage.last_failure = now;
        // A server that is down refuses, times out and is starting up in turn: that is one outage, and one
        // line.
        let is_news = !is_unavailable
            && outage.cause != cause
            && now.duration_since(outage.last_line) >= NEXT_CAUSE_AFTER;
        if is_news {
            outage.cause = cause;
            outage.last_line = now;
        }
        is_news
    }

    /// Removes an outage if it is over.
    fn ends(&self, kind: &Kind) -> Option<Outage> {
        let mut outages = self.lock();
        let is_over = outages.get(kind).is_some_and(|outage| outage.last_failure.elapsed() >= QUIET);
        let ended = if is_over { outages.remove(kind) } else { None };
        self.0.count.store(outages.len(), Ordering::Relaxed);
        ended
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Outage>> {
        self.0.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outage {
    fn milliseconds(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_secs(1);

    fn away() -> StoreError {
        StoreError::Unavailable("connection refused".into())
    }

    fn refused(why: &str) -> StoreError {
        StoreError::Internal(why.into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_the_database_is_one_for_all_operations() {
        let outages = Outages::default();
        assert!(outages.store_failed("publish", &away()));
        for _ in 0..1_000 {
            assert!(!outages.store_failed("publish", &away()) && !outages.store_failed("claim", &away()));
        }
        assert!(outages.is_database_away());
        tokio::time::advance(NEXT_CAUSE_AFTER).await;
        let starting = StoreError::Unavailable("the database system is starting up".into());
        assert!(!outages.store_failed("claim", &starting), "the same outage");
        // A read may succeed while writes fail.
        outages.worked("publish");
        outages.database_answers();
        assert!(outages.is_database_away(), "it failed a moment ago");
        tokio::time::advance(QUIET).await;
        outages.database_answers();
        assert!(!outages.is_database_away());
        assert!(outages.store_failed("publish", &away()), "the next outage is logged");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_outage_of_the_operation() {
        let outages = Outages::default();
        assert!(outages.store_failed("publish", &refused("a trigger")));
        assert!(outages.store_failed("settle", &refused("a trigger")), "another operation");
        assert!(!outages.is_database_away());
        // Other calls of the operation succeed in between.
        for _ in 0..100 {
            outages.worked("publish");
            tokio::time::advance(TICK).await;
            assert!(!outages.store_failed("publish", &refused("a trigger")));
        }
        tokio::time::advance(QUIET).await;
        outages.worked("publish");
        assert!(outages.store_failed("publish", &refused("a trigger")));
    }

    #[tokio::test(start_paused = true)]
    async fn another_cause_is_logged_at_most_every_ten_seconds() {
        let outages = Outages::default();
        assert!(outages.store_failed("publish", &refused("0")));
        let mut lines = 0;
        for second in 1..=60 {
            tokio::time::advance(TICK).await;
            lines += u32::from(outages.store_failed("publish", &refused(&second.to_string())));
        }
        assert_eq!(lines, 6);
    }
}
