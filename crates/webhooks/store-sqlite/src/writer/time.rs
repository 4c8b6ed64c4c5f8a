//! The writer's handling of the clock: it applies steps, and records how far time has passed.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::witness::Witness;
use sqlx::SqliteConnection;

use crate::clock::StoreClock;
use crate::rebase;
use crate::rows::micros;

/// The interval between checks of the clock while nothing is written.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The interval between records of the elapsed time.
const RECORD_INTERVAL: Duration = Duration::from_secs(60);

/// The writer's part of the store's time.
pub(super) struct Time {
    clock: Arc<StoreClock>,
    witness: Witness,
    recorded_at: Option<Duration>,
    /// Whether recorded times may lie in the future.
    to_correct: bool,
}

impl Time {
    pub(super) fn new(clock: Arc<StoreClock>) -> Self {
        Self { clock, witness: Witness::default(), recorded_at: None, to_correct: false }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns whether there is work to do soon, even if nothing is written.
    pub(super) const fn is_busy(&self) -> bool {
        self.to_correct
    }

    /// Follows the clock. A step reaches the store's time once all waiting times have moved with it.
    pub(super) async fn follow(&mut self, conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if let Some(by) = self.clock.follow() {
            rebase::rebase(&mut *conn, self.clock.now(), by).await?;
            self.clock.shift(by);
            self.to_correct |= by < 0;
            tracing::warn!(step_ms = by / 1_000, "clock was changed; due times moved with it");
        }
        if self.to_correct {
            self.to_correct = rebase::correct_some(&mut *conn, self.clock.now()).await?;
        }
        let elapsed = self.clock.elapsed();
        if self.recorded_at.is_none_or(|recorded_at| elapsed.saturating_sub(recorded_at) >= RECORD_INTERVAL) {
            self.recorded_at = Some(elapsed);
            // A failure does no harm: while the time is not recorded, nothing is removed.
            if let Err(error) = self.record(conn, elapsed).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot record the elapsed time; will retry"
                );
            }
        }
        Ok(())
    }

    /// Records up to when time has passed.
    async fn record(&mut self, conn: &mut SqliteConnection, elapsed: Duration) -> Result<(), sqlx::Error> {
        let stored: Option<i64> =
            sqlx::query_scalar!("SELECT seen_at FROM webhooks_clock").fetch_one(&mut *conn).await?;
        let stored = stored.map(Timestamp::from_micros);
        let observed = self.witness.observe(stored, self.clock.now(), elapsed);
        if let Some(ahead) = observed.jumped {
            tracing::warn!(
                ahead_ms = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
                "clock jumped ahead of the elapsed time; retention does not follow it for a day"
            );
        }
        let at = micros(observed.at);
        sqlx::query!("UPDATE webhooks_clock SET seen_at = ?1", at).execute(conn).await?;
        Ok(())
    }
}
