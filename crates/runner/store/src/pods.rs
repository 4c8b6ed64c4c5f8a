//! Pods of runs as they are stored.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{KubernetesNameError, Pod, RunName, RunNameError};

use crate::error::corrupt;

const POD_RUNS: &str = "pod_runs";

/// The pod of a run.
#[derive(Debug)]
pub struct StoredPod {
    /// The namespace.
    pub namespace: String,
    /// The name of the pod.
    pub pod: String,
    /// The id of the pod.
    pub uid: String,
    /// The container.
    pub container: String,
}

impl StoredPod {
    /// Returns the pod of this run.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be read.
    pub fn read(self, run: &RunName) -> Result<Pod, StoreError> {
        let unreadable =
            |column| move |error: KubernetesNameError| corrupt(POD_RUNS, column, &run.as_str(), error);
        Ok(Pod {
            namespace: self.namespace.parse().map_err(unreadable("namespace"))?,
            name: self.pod,
            uid: self.uid,
            container: self.container.parse().map_err(unreadable("container"))?,
        })
    }
}

/// Reads the name of a run.
///
/// # Errors
///
/// Fails if it is none.
pub fn run_name(text: &str) -> Result<RunName, StoreError> {
    text.parse().map_err(|error: RunNameError| corrupt(POD_RUNS, "run", &text, error))
}
