//! The readiness check of a process.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, describe_gauge, gauge};
use rdev_app::Outages;
use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use tokio_util::sync::CancellationToken;

use crate::deliver::Heartbeat;

/// The timeout of the database check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The intervals of the background check: normally, and while the database is unavailable.
const INTERVAL: Duration = Duration::from_secs(5);
const INTERVAL_AWAY: Duration = Duration::from_secs(1);

/// The readiness check of a process. Cheap to clone.
#[derive(Clone)]
pub struct Readiness {
    queue: Arc<dyn DeliveryQueue>,
    heartbeat: Heartbeat,
    outages: Outages,
}

/// The reason why a process is not ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// An essential task has failed.
    #[error("an essential task has failed")]
    Failed,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
    /// The worker hangs.
    #[error("the worker has not read the queue for {} s", .0.as_secs())]
    WorkerSilent(Duration),
    /// The database failed.
    #[error("the database is unusable: {}", cause(.0))]
    Database(StoreError),
    /// The database did not respond.
    #[error("the database did not respond within {} s", CHECK_TIMEOUT.as_secs())]
    DatabaseSilent,
}

/// Returns the public part of the cause; the log has the rest.
fn cause(error: &StoreError) -> String {
    error.public_cause().map_or_else(|| error.to_string(), ToString::to_string)
}

impl Readiness {
    /// Creates the check of a process with this queue, these tasks and these outages.
    #[must_use]
    pub fn new(queue: Arc<dyn DeliveryQueue>, heartbeat: Heartbeat, outages: Outages) -> Self {
        Self { queue, heartbeat, outages }
    }

    /// Checks the database and the tasks of the process.
    ///
    /// # Errors
    ///
    /// Fails with [`NotReady`] if one of them does not work.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.heartbeat.failed().is_cancelled() {
            return Err(NotReady::Failed);
        }
        if self.heartbeat.stopping().is_cancelled() {
            return Err(NotReady::Stopping);
        }
        self.check_database().await?;
        match self.heartbeat.late_by() {
            Some(silent) => Err(NotReady::WorkerSilent(silent)),
            None => Ok(()),
        }
    }

    async fn check_database(&self) -> Result<(), NotReady> {
        const OPERATION: &str = "check";
        match tokio::time::timeout(CHECK_TIMEOUT, self.queue.check()).await {
            Ok(Ok(())) => {
                self.outages.database_answers();
                self.outages.worked(OPERATION);
                Ok(())
            }
            Ok(Err(error)) => {
                self.outages.store_failed(OPERATION, &error);
                Err(NotReady::Database(error))
            }
            Err(_) => {
                let silent = NotReady::DatabaseSilent;
                self.outages.store_failed(OPERATION, &StoreError::Unavailable(silent.to_string().into()));
                Err(silent)
            }
        }
    }

    /// Updates the gauge `rdev_webhooks_ready`, and records outages of the database, until `drain`.
    pub async fn watch(self, drain: CancellationToken) {
        describe_gauge!("rdev_webhooks_ready", "1 while /readyz reports ready, else 0");
        let ready = NotReadyOnDrop(gauge!("rdev_webhooks_ready"));
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                checked = self.check() => ready.0.set(u8::from(checked.is_ok())),
            }
            let interval = if self.outages.is_database_away() { INTERVAL_AWAY } else { INTERVAL };
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
        }
    }
}

/// Sets the gauge to 0 when the checks end.
struct NotReadyOnDrop(Gauge);

impl Drop for NotReadyOnDrop {
    fn drop(&mut self) {
        self.0.set(0);
    }
}
