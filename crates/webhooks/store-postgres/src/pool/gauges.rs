//! Metrics of the pools' use; also closes unneeded connections.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Pool;

const GAUGE_INTERVAL: Duration = Duration::from_secs(5);

/// Keeps a gauge of the connections of each of these pools, by their state.
pub(crate) fn spawn<const N: usize>(tasks: &TaskTracker, stop: &CancellationToken, pools: [Pool; N]) {
    describe_gauge!(
        "rdev_webhooks_db_connections",
        "Database connections by pool and state: `used` or `idle`"
    );
    let gauges = pools.map(|pool| {
        let of = |state| gauge!("rdev_webhooks_db_connections", "pool" => pool.name(), "state" => state);
        let (used, idle) = (of("used"), of("idle"));
        (pool, used, idle)
    });
    let keeping = async move {
        let mut tick = tokio::time::interval(GAUGE_INTERVAL);
        loop {
            tick.tick().await;
            for (pool, used, idle) in &gauges {
                pool.trim().await;
                let (all, idling) = pool.connections();
                idle.set(idling as f64);
                used.set(all.saturating_sub(idling) as f64);
            }
        }
    };
    tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
}
