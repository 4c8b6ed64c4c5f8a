//! The database's time as a process knows it.
//!
//! All scheduling uses `rdev_webhooks.now()`. But processes create the ids, and partitions and the retention
//! depend on the ids: a process with a clock a month behind would publish events that are removed at once.
//! Therefore each process periodically compares its clock with the database's, and uses the database's where
//! the two disagree.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{Clock, StoreError};
use rdev_webhooks_domain::witness::Witness;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::convert::{from_sql_time, to_sql_time};
use crate::error::describe;
use crate::pool::Pool;

/// The interval between two readings of the database's clock.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The number of readings between two records of the elapsed time.
const LOOKS_PER_NOTE: u32 = 6;

/// The greatest difference between two clocks that agree.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The longest duration of a reading; a slower one is too imprecise.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// One process's knowledge of the time.
pub(crate) struct Time {
    seen: Mutex<Option<Seen>>,
    witness: Mutex<Witness>,
    started: Instant,
}

/// A reading of the database's clock, and when it was taken.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    when: Instant,
}

impl Seen {
    fn now(self) -> Timestamp {
        self.at + self.when.elapsed()
    }
}

/// A process's clock, replaced by the database's where the two disagree.
struct DatabaseClock {
    own: Arc<dyn Clock>,
    time: Arc<Time>,
    /// Whether the two disagreed at the last reading.
    disagrees: AtomicBool,
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let own = self.own.now();
        let database = self.time.seen().map_or(own, Seen::now);
        let disagrees = !agree(own, database);
        if self.disagrees.swap(disagrees, Ordering::Relaxed) != disagrees {
            let ahead_ms = (own.as_micros().saturating_sub(database.as_micros())) / 1_000;
            if disagrees {
                tracing::warn!(
                    ahead_ms,
                    "local clock differs from the database clock; using the database clock"
                );
            } else {
                tracing::info!("local clock agrees with the database clock again");
            }
        }
        if disagrees { database } else { own }
    }

    fn elapsed(&self) -> Duration {
        self.own.elapsed()
    }
}

fn agree(one: Timestamp, other: Timestamp) -> bool {
    one.since(other).max(other.since(one)) <= TOLERANCE
}

impl Default for Time {
    fn default() -> Self {
        Self { seen: Mutex::default(), witness: Mutex::default(), started: Instant::now() }
    }
}

impl Time {
    /// Returns the process's clock, corrected by the database's.
    pub(crate) fn clock(self: &Arc<Self>, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(DatabaseClock { own, time: Arc::clone(self), disagrees: AtomicBool::new(false) })
    }

    fn seen(&self) -> Option<Seen> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the database's clock.
    pub(crate) async fn look(&self, pool: &Pool) -> Result<(), StoreError> {
        let (at, began, took) = pool
            .run(async |conn| {
                let began = Instant::now();
                let at = sqlx::query_scalar!(r#"SELECT rdev_webhooks.now() AS "now!""#)
                    .fetch_one(&mut **conn)
                    .await?;
                Ok((at, began, began.elapsed()))
            })
            .await?;
        self.see(from_sql_time(at), began, took);
        Ok(())
    }

    /// Takes a reading of the database's clock.
    pub(crate) fn see(&self, at: Timestamp, began: Instant, took: Duration) {
        if took <= LONGEST_LOOK || self.seen().is_none() {
            let seen = Seen { at, when: began + took / 2 };
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        }
    }

    /// Records up to when time has certainly passed. The retention measures ages by that record, and not by a
    /// clock alone.
    pub(crate) async fn note(&self, pool: &Pool) -> Result<(), StoreError> {
        let row = pool
            .run(async |conn| {
                sqlx::query!(r#"SELECT seen_at, rdev_webhooks.now() AS "now!" FROM rdev_webhooks.retention"#)
                    .fetch_one(&mut **conn)
                    .await
            })
            .await?;
        let observed = self.witness.lock().unwrap_or_else(PoisonError::into_inner).observe(
            Some(from_sql_time(row.seen_at)),
            from_sql_time(row.now),
            self.started.elapsed(),
        );
        if let Some(ahead) = observed.jumped {
            tracing::warn!(
                ahead_ms = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
                "database clock jumped ahead of the elapsed time; retention does not follow it for a day"
            );
        }
        let at = to_sql_time(observed.at);
        pool.run(async |conn| {
            sqlx::query!("UPDATE rdev_webhooks.retention SET seen_at = $1", at).execute(&mut **conn).await
        })
        .await?;
        Ok(())
    }
}

/// Reads the database's clock periodically.
pub(crate) fn spawn(tasks: &TaskTracker, stop: &CancellationToken, time: Arc<Time>, pool: Pool) {
    let looking = async move {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0_u32.. {
            tick.tick().await;
            if let Err(error) = time.look(&pool).await {
                tracing::debug!(error = %describe(&error), "cannot read the database clock; will retry");
            } else if number % LOOKS_PER_NOTE == 0
                && let Err(error) = time.note(&pool).await
            {
                tracing::warn!(error = %describe(&error), "cannot record the elapsed time; will retry");
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(looking));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Timestamp);

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    const DATABASE: Timestamp = Timestamp::from_millis(1_736_937_000_000);

    fn corrected(own: Timestamp) -> Arc<dyn Clock> {
        let time = Arc::new(Time::default());
        *time.seen.lock().unwrap() = Some(Seen { at: DATABASE, when: Instant::now() });
        time.clock(Arc::new(Fixed(own)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_disagrees_with_the_databases_is_not_used() {
        let day = Duration::from_secs(24 * 60 * 60);
        for own in [DATABASE + day * 31, DATABASE - day * 31, DATABASE + Duration::from_secs(2)] {
            let clock = corrected(own);
            assert_eq!(clock.now(), DATABASE);
            tokio::time::advance(day).await;
            assert_eq!(clock.now(), DATABASE + day);
        }
        let own = DATABASE + Duration::from_millis(900);
        assert_eq!(corrected(own).now(), own);
    }
}
