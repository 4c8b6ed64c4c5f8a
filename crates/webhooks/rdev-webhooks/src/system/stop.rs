//! The end of a system.

use std::sync::PoisonError;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use tokio_util::sync::CancellationToken;

use super::needed::Needed;
use super::{RdevWebhooks, Serving};

/// How long the tasks behind the services may take to end once everything else has stopped: the last events
/// are stored, and the last uses of keys recorded.
const SERVICES_DEADLINE: Duration = Duration::from_secs(5);

/// How long storing the last statistics may take.
const STATISTICS_DEADLINE: Duration = Duration::from_secs(5);

impl RdevWebhooks {
    /// Returns a token that is cancelled once the system has failed: one of its tasks ended unexpectedly,
    /// because of a defect. The log names the task. What was accepted is safe, but the system is no longer
    /// ready; the process can only [`stop`](Self::stop) it and start a new one.
    #[must_use]
    pub fn failed(&self) -> CancellationToken {
        self.services.heartbeat.failed().clone()
    }

    /// Makes a task of the host one that the system needs: if it ends before `drain` is cancelled, or panics, the log
    /// names it and the system has [failed](Self::failed).
    pub fn needed_task(
        &self,
        name: &'static str,
        drain: CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let needed = Needed { drain, failed: self.failed() };
        async move { needed.task(name, task).await }
    }

    /// Returns a token to cancel when the process is about to stop: `/readyz` then responds with 503.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.services.heartbeat.stopping().clone()
    }

    /// Stops claiming, and waits until the attempts in flight have ended and are recorded, at most for
    /// `drain_timeout`. [`Self::stop`] includes this; this function is for a process that reports its
    /// progress meanwhile.
    pub async fn finish(&self, drain_timeout: Duration) {
        self.drain();
        self.tasks.close();
        // `stop` releases what is late.
        let _ = tokio::time::timeout(drain_timeout, self.tasks.wait()).await;
    }

    /// Stops claiming; attempts in flight continue. [`Self::stop`] includes this; this function is for a
    /// process that ends something else meanwhile.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Returns a future for a graceful shutdown, such as axum's: once `signal` resolves, `/readyz` responds with
    /// 503, streams end, and the worker claims no more.
    pub fn drain_on<F>(&self, signal: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stopping, drain) = (self.stopping(), self.drain.clone());
        async move {
            signal.await;
            stopping.cancel();
            drain.cancel();
        }
    }

    /// Stops claiming, finishes and records the attempts in flight, releases those that are not done after
    /// `drain_timeout`, stores the events of the calls until then, and closes the database. Later calls of
    /// services and handles fail. A second stop does nothing.
    ///
    /// # Errors
    ///
    /// Fails with the database's error on closing. Everything that was acknowledged is safe even then.
    pub async fn stop(&self, drain_timeout: Duration) -> Result<(), StoreError> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Serving { calls, statistics }) = serving else {
            return Ok(());
        };
        self.drain();
        self.tasks.close();
        if tokio::time::timeout(drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("drain timeout passed; releasing unfinished work");
            self.abort.cancel();
            self.tasks.wait().await;
        }
        self.closing.cancel();
        let abort = calls.abort_handle();
        if tokio::time::timeout(SERVICES_DEADLINE, calls).await.is_err() {
            tracing::warn!("last calls not answered in time; ending them");
            abort.abort();
        }
        self.counted.cancel();
        let abort = statistics.abort_handle();
        if tokio::time::timeout(STATISTICS_DEADLINE, statistics).await.is_err() {
            tracing::warn!("last statistics not stored in time; they are lost");
            abort.abort();
        }
        self.store.close().await
    }
}

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "worker"))]
mod tests {
    use rdev_app::Ambient;
    use rdev_keyring::Keyring;
    use rdev_webhooks_app::deliver::WorkerOptions;

    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn a_system_that_is_stopped_or_dropped_has_not_failed() {
        for stopped in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::sqlite(folder.path().join("rdev.db"));
            let ambient = Ambient::system();
            let keyring = Keyring::new(rdev_keyring::EncryptionKey::generate(ambient.entropy.bytes()));
            let system = RdevWebhooks::builder(database, keyring).open().await.unwrap();
            system.start_worker(WorkerOptions::default());
            let (failed, tasks) = (system.failed(), system.tasks.clone());
            if stopped {
                system.stop(Duration::from_secs(10)).await.unwrap();
            } else {
                drop(system);
                tasks.close();
                tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
            }
            assert!(!failed.is_cancelled());
        }
    }
}
