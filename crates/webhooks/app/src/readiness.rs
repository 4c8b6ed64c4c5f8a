//! Whether a process can do its work.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, describe_gauge, gauge};
use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use tokio_util::sync::CancellationToken;

use crate::Outages;
use crate::deliver::Heartbeat;

/// How long the database may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a process looks by itself, and how often while the database is away.
const INTERVAL: Duration = Duration::from_secs(5);
const INTERVAL_AWAY: Duration = Duration::from_secs(1);

/// Says whether a process can do its work. Cheap to clone.
#[derive(Clone)]
pub struct Readiness {
    queue: Arc<dyn DeliveryQueue>,
    heartbeat: Heartbeat,
    outages: Outages,
}

/// Why a process cannot do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// A task has ended by a defect.
    #[error("an essential task has failed")]
    Failed,
    /// It was told to stop.
    #[error("the process is stopping")]
    Stopping,
    /// The worker hangs.
    #[error("the worker has not read the queue for {} s", .0.as_secs())]
    WorkerSilent(Duration),
    /// The database fails.
    #[error("the database is unusable: {}", cause(.0))]
    Database(StoreError),
    /// The database hangs.
    #[error("the database did not respond within {} s", CHECK_TIMEOUT.as_secs())]
    DatabaseSilent,
}

/// Why, as far as everybody may know; the log has the rest.
fn cause(error: &StoreError) -> String {
    error.public_cause().map_or_else(|| error.to_string(), ToString::to_string)
}

impl Readiness {
    /// The readiness of a process that has this queue, these tasks, and these outages.
    #[must_use]
    pub fn new(queue: Arc<dyn DeliveryQueue>, heartbeat: Heartbeat, outages: Outages) -> Self {
        Self { queue, heartbeat, outages }
    }

    /// Asks the database, and looks at the tasks of the process.
    ///
    /// # Errors
    ///
    /// [`NotReady`].
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

    /// Keeps the gauge `rdev_webhooks_ready`, and notes when the database is away and back, until `drain`.
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

/// Nothing is ready once nobody looks any more.
struct NotReadyOnDrop(Gauge);

impl Drop for NotReadyOnDrop {
    fn drop(&mut self) {
        self.0.set(0);
    }
}
