//! Periodic maintenance of a database: creates partitions for the coming days, and cancels remaining
//! deliveries of deleted webhooks.

use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use sqlx::Connection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::describe;
use crate::pool::Pool;
use crate::webhooks::sweep;

/// The number of future days with partitions.
const DAYS_AHEAD: i32 = 3;

const UPKEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// An advisory lock key that no other program is likely to use: "rdevhook" in ASCII.
pub(crate) const LOCK: i64 = 0x7264_6576_686f_6f6b;

/// Runs the upkeep at once and then every ten minutes.
pub(crate) fn spawn(tasks: &TaskTracker, stop: &CancellationToken, pool: Pool) {
    let keeping = async move {
        let mut tick = tokio::time::interval(UPKEEP_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = ensure_partitions(&pool).await {
                // Partitions exist for some days ahead, and a default partition for any other day.
                tracing::warn!(error = %describe(&error), "cannot create partitions; will retry");
            }
            if let Err(error) = sweep::sweep_deleted(&pool).await {
                tracing::warn!(error = %describe(&error), "cannot cancel the remaining deliveries of deleted webhooks; will retry");
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
}

/// Creates the partitions of yesterday, today and the next three days, unless another process is doing so.
pub(crate) async fn ensure_partitions(pool: &Pool) -> Result<(), StoreError> {
    let made = pool
        .run(async |conn| {
            let mut tx = conn.begin().await?;
            // Attaching a partition conflicts with the locks of readers: never make others wait long.
            sqlx::query!("SELECT set_config('lock_timeout', '2s', true)").fetch_one(&mut *tx).await?;
            let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, LOCK)
                .fetch_one(&mut *tx)
                .await?;
            if !locked {
                return Ok(0);
            }
            let made =
                sqlx::query_scalar!(r#"SELECT rdev_webhooks.ensure_partitions($1) AS "made!""#, DAYS_AHEAD)
                    .fetch_one(&mut *tx)
                    .await?;
            tx.commit().await?;
            Ok(made)
        })
        .await?;
    if made > 0 {
        tracing::info!(made, "partitions created for the coming days");
    }
    Ok(())
}
