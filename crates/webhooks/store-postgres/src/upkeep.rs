//! What a database needs done now and then: partitions for the days to come, and an end to what was
//! left behind for deleted webhooks.

use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use sqlx::Connection;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connect::Pool;
use crate::error::describe;
use crate::queue::cancel;

/// So many days ahead there are partitions.
const DAYS_AHEAD: i32 = 3;

const EVERY: Duration = Duration::from_secs(10 * 60);

/// Any number that nobody else is likely to lock: "rdevhook" in ASCII.
pub(crate) const LOCK: i64 = 0x7264_6576_686f_6f6b;

/// Does the upkeep at once and then every ten minutes.
pub(crate) fn spawn(tasks: &TaskTracker, stop: &CancellationToken, pool: Pool) {
    let keeping = async move {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = ensure_partitions(&pool).await {
                // There are some days in hand, and a default partition behind them.
                tracing::warn!(error = %describe(&error), "cannot create partitions; will retry");
            }
            if let Err(error) = cancel::sweep_deleted(&pool).await {
                tracing::warn!(error = %describe(&error), "cannot cancel the remaining deliveries of deleted webhooks; will retry");
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
}

/// Makes the partitions of yesterday, today and the next three days. Leaves it to whoever is at it
/// already.
pub(crate) async fn ensure_partitions(pool: &Pool) -> Result<(), StoreError> {
    let made = pool
        .run(async |conn| {
            let mut tx = conn.begin().await?;
            // To attach a partition takes locks that readers hold: never make others wait long.
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
