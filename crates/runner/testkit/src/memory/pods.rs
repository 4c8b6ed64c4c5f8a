//! The pods of runs.

use std::collections::btree_map::Entry;

use async_trait::async_trait;
use rdev_runner_domain::ports::{PodRepository, StoreError};
use rdev_runner_domain::{Pod, RunName};

use super::MemoryStore;

#[async_trait]
impl PodRepository for MemoryStore {
    async fn add_pod(&self, run: &RunName, pod: &Pod) -> Result<bool, StoreError> {
        Ok(match self.state().pods.entry(run.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(pod.clone());
                true
            }
        })
    }

    async fn find_pod(&self, run: &RunName) -> Result<Option<Pod>, StoreError> {
        Ok(self.state().pods.get(run).cloned())
    }

    async fn pod_runs(&self) -> Result<Vec<RunName>, StoreError> {
        Ok(self.state().pods.keys().cloned().collect())
    }

    async fn remove_pod(&self, run: &RunName) -> Result<(), StoreError> {
        self.state().pods.remove(run);
        Ok(())
    }
}
