//! A queue that fails, and counts what it stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CommandQueue, StoreError};
use rdev_runner_domain::{
    AbandonedCommands, AttachRequest, ClaimRequest, ClusterId, CommandId, Host, LeaseRef, LeaseState,
    LeasedCommand, QueueLimits, RunBeginning, RunReport, Waiting,
};
use rdev_webhooks_testkit::SeededEntropy;

/// A queue under observation.
pub(super) struct Observed {
    pub(super) queue: Arc<dyn CommandQueue>,
    /// With it, two calls of three fail: half of them after the change was made.
    pub(super) failures: Option<SeededEntropy>,
    /// The size of the reported events that were stored or refused.
    pub(super) recorded_bytes: Arc<AtomicU64>,
}

impl Observed {
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let away = || StoreError::Unavailable("the connection is lost".into());
        match self.failures.as_ref().map_or(2, |entropy| entropy.below(3)) {
            0 => Err(away()),
            1 => call.await.and_then(|_| Err(away())),
            _ => call.await,
        }
    }
}

#[async_trait]
impl CommandQueue for Observed {
    // A claim whose response is lost is continued by a later runner.
    async fn claim(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, StoreError> {
        self.queue.claim(claim).await
    }

    async fn begin(&self, lease: &LeaseRef, beginning: &RunBeginning) -> Result<LeaseState, StoreError> {
        self.call(self.queue.begin(lease, beginning)).await
    }

    async fn requeue(&self, lease: &LeaseRef) -> Result<(), StoreError> {
        self.call(self.queue.requeue(lease)).await
    }

    async fn requeue_expired(&self, limit: u32) -> Result<Vec<CommandId>, StoreError> {
        self.call(self.queue.requeue_expired(limit)).await
    }

    async fn attach(&self, attach: &AttachRequest) -> Result<Option<LeasedCommand>, StoreError> {
        self.queue.attach(attach).await
    }

    async fn expire_leases(&self, host: &Host) -> Result<u64, StoreError> {
        self.call(self.queue.expire_leases(host)).await
    }

    async fn heartbeat(&self, lease: &LeaseRef, lease_for: Duration) -> Result<LeaseState, StoreError> {
        self.call(self.queue.heartbeat(lease, lease_for)).await
    }

    async fn record(&self, lease: &LeaseRef, report: &RunReport) -> Result<LeaseState, StoreError> {
        let recorded = self.call(self.queue.record(lease, report)).await?;
        let bytes: u64 = report.events.iter().map(|(_, kind)| kind.stored_bytes()).sum();
        self.recorded_bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(recorded)
    }

    async fn lose(
        &self,
        after: Duration,
        cluster: Option<&ClusterId>,
        limit: u32,
    ) -> Result<AbandonedCommands, StoreError> {
        self.call(self.queue.lose(after, cluster, limit)).await
    }

    async fn waiting(
        &self,
        limits: &QueueLimits,
        commands: &[CommandId],
    ) -> Result<Vec<Option<Waiting>>, StoreError> {
        self.queue.waiting(limits, commands).await
    }
}
