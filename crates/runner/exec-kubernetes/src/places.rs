//! The places of runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, ExecError, PodRepository, StoreError};
use rdev_runner_domain::{Pod, RunName};
use tokio::time::timeout;

use crate::error::host;
use crate::retries::Retries;

/// How long a call of the repository may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The most places that are kept in memory. Others are read again.
const MAX_KEPT: usize = 4_096;

/// The place of a run.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// With the backend beside this one, if the run exists.
    Beside,
    Pod(InPod),
}

/// A run in a pod.
#[derive(Debug, Clone)]
pub(crate) struct InPod {
    pub(crate) pod: Pod,
    /// Whether the pod is known to have had the run. If it does not know the run, one that it had is lost, and another
    /// one never began.
    pub(crate) is_known: bool,
}

/// The places of runs. Those in pods are in the repository, so that every runner finds them.
pub(crate) struct Places {
    beside: Arc<dyn ExecBackend>,
    pods: Arc<dyn PodRepository>,
    /// How long a call is repeated that the repository cannot answer.
    patience: Duration,
    /// The places of the runs that this process uses. They never change.
    kept: Mutex<HashMap<RunName, Place>>,
}

impl Places {
    pub(crate) fn new(
        beside: Arc<dyn ExecBackend>,
        pods: Arc<dyn PodRepository>,
        patience: Duration,
    ) -> Self {
        Self { beside, pods, patience, kept: Mutex::default() }
    }

    /// Returns the place of a run. The repository is asked last: runs beside this backend do not need it.
    pub(crate) async fn find(&self, run: &RunName) -> Result<Place, ExecError> {
        if let Some(place) = self.kept().get(run) {
            return Ok(place.clone());
        }
        let place = match self.beside.status(run).await {
            Ok(_) => Place::Beside,
            Err(ExecError::UnknownRun(_)) => match self.read(run).await? {
                Some(pod) => Place::Pod(InPod { pod, is_known: false }),
                None => return Ok(Place::Beside),
            },
            Err(_) => return Ok(Place::Beside),
        };
        self.keep(run, place.clone());
        Ok(place)
    }

    /// Records that a run is about to start in a pod. Returns the pod that was recorded before, if there is one.
    pub(crate) async fn add(&self, run: &RunName, pod: &Pod) -> Result<Option<Pod>, ExecError> {
        if self.ask("record the pod of a run", || self.pods.add_pod(run, pod)).await? {
            return Ok(None);
        }
        self.read(run).await
    }

    /// Notes that the pod of a run has had it.
    pub(crate) fn set_known(&self, run: &RunName, pod: &Pod) {
        self.keep(run, Place::Pod(InPod { pod: pod.clone(), is_known: true }));
    }

    /// Records another pod, because the recorded one is gone.
    pub(crate) async fn replace(&self, run: &RunName, pod: &Pod) -> Result<(), ExecError> {
        self.remove(run).await?;
        self.add(run, pod).await.map(drop)
    }

    pub(crate) async fn remove(&self, run: &RunName) -> Result<(), ExecError> {
        self.ask("remove the record of a run", || self.pods.remove_pod(run)).await?;
        self.kept().remove(run);
        Ok(())
    }

    /// Returns the pod of a run that this process uses.
    pub(crate) fn kept_pod(&self, run: &RunName) -> Option<Pod> {
        match self.kept().get(run) {
            Some(Place::Pod(place)) => Some(place.pod.clone()),
            _ => None,
        }
    }

    /// Forgets a run that was removed beside this backend.
    pub(crate) fn forget(&self, run: &RunName) {
        self.kept().remove(run);
    }

    /// Returns the names of what is in pods, for other runners too: of runs, and of worktrees.
    pub(crate) async fn in_pods(&self) -> Result<Vec<RunName>, ExecError> {
        self.ask("list the pods of runs", || self.pods.pod_runs()).await
    }

    async fn read(&self, run: &RunName) -> Result<Option<Pod>, ExecError> {
        self.ask("read the pod of a run", || self.pods.find_pod(run)).await
    }

    async fn ask<T, C>(&self, action: &'static str, call: impl Fn() -> C) -> Result<T, ExecError>
    where
        C: Future<Output = Result<T, StoreError>>,
    {
        let late = |_| StoreError::Unavailable("no response in time".into());
        let mut retries = Retries::new(self.patience);
        loop {
            match timeout(CALL_TIMEOUT, call()).await.map_err(late).flatten() {
                Err(error @ StoreError::Unavailable(_)) if retries.wait(&error).await => {}
                answer => return answer.map_err(host(action)),
            }
        }
    }

    fn keep(&self, run: &RunName, place: Place) {
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(run.clone(), place);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<RunName, Place>> {
        // A panic cannot leave the map half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
