//! How much the pools are used, for the metrics.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use sqlx::postgres::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const EVERY: Duration = Duration::from_secs(5);

/// Keeps a gauge of the connections of each of these pools, by what they are doing.
pub(crate) fn spawn<const N: usize>(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    pools: [(&'static str, PgPool); N],
) {
    describe_gauge!(
        "rdev_webhooks_db_connections",
        "Connections to the database, by pool: those in use, and those that wait for work"
    );
    let gauges = pools.map(|(name, pool)| {
        let of = |state| gauge!("rdev_webhooks_db_connections", "pool" => name, "state" => state);
        (pool, of("used"), of("idle"))
    });
    let keeping = async move {
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            for (pool, used, idle) in &gauges {
                let idling = pool.num_idle();
                idle.set(idling as f64);
                used.set((pool.size() as usize).saturating_sub(idling) as f64);
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
}
