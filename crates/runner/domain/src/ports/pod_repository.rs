use async_trait::async_trait;

use super::StoreError;
use crate::{Pod, RunName};

/// The pods of runs, which all runners of a database share: a run in a pod is found by every runner.
///
/// A command in a pod is taken over by every runner of the cluster: [`CommandQueue::attach`](super::CommandQueue::attach).
#[async_trait]
pub trait PodRepository: Send + Sync + 'static {
    /// Records the pod of a run, before the run starts there. Returns whether the run had none.
    ///
    /// 1. MUST keep the pod that a run has. (`the_pod_of_a_run_is_kept_exactly`)
    async fn add_pod(&self, run: &RunName, pod: &Pod) -> Result<bool, StoreError>;

    /// Returns the pod of a run, if it has one. (`the_pod_of_a_run_is_kept_exactly`)
    async fn find_pod(&self, run: &RunName) -> Result<Option<Pod>, StoreError>;

    /// Returns the runs that have a pod. (`the_pod_of_a_run_is_kept_exactly`)
    async fn pod_runs(&self) -> Result<Vec<RunName>, StoreError>;

    /// Removes the record of a run. MUST accept a repetition. (`the_pod_of_a_run_is_kept_exactly`)
    async fn remove_pod(&self, run: &RunName) -> Result<(), StoreError>;
}
