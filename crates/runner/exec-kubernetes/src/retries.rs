//! Attempts that are repeated.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long to wait before another attempt.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// The attempts of one operation.
pub(crate) struct Retries {
    until: Instant,
    interval: Duration,
}

impl Retries {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, interval: INTERVAL.0 }
    }

    /// Waits for the next attempt. Returns whether there is time for one.
    pub(crate) async fn wait(&mut self, error: &(impl Display + Sync)) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        tracing::debug!(%error, "an operation on a pod is tried again");
        sleep(self.interval).await;
        self.interval = (2 * self.interval).min(INTERVAL.1);
        true
    }
}
