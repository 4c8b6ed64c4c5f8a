//! The connections to pods.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use rdev_runner_domain::Pod;
use rdev_runner_exec_local::remote::Call;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::KubernetesBackend;
use crate::connect::{SupervisorFile, connect};
use crate::error::PodError;
use crate::link::Link;

pub(super) type Links = HashMap<Pod, Arc<Slot>>;

/// The connection to a pod, if there is one.
type Slot = Mutex<Option<Arc<Link>>>;

impl KubernetesBackend {
    /// Returns the connection to a pod. It is made in a task of its own, because a caller that is not polled for a while
    /// would keep it from all others.
    pub(super) async fn link(&self, pod: &Pod) -> Result<Arc<Link>, PodError> {
        let slot = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            // A connection that someone waits for is counted twice.
            links.retain(|_, slot| {
                Arc::strong_count(slot) > 1
                    || slot.try_lock().is_ok_and(|link| link.as_ref().is_some_and(|link| link.is_open()))
            });
            Arc::clone(links.entry(pod.clone()).or_default())
        };
        if let Ok(slot) = slot.try_lock()
            && let Some(link) = slot.as_ref().filter(|link| link.is_open())
        {
            return Ok(Arc::clone(link));
        }
        let (backend, pod) = (self.clone(), pod.clone());
        let linking = tokio::spawn(async move { backend.link_in(&slot, &pod).await });
        AbortOnDropHandle::new(linking).await.map_err(PodError::lost)?
    }

    /// Returns the connection in a slot, and makes it if there is none.
    async fn link_in(&self, slot: &Slot, pod: &Pod) -> Result<Arc<Link>, PodError> {
        let mut slot = slot.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(Arc::clone(link));
        }
        let supervisor = self.supervisor.get_or_try_init(|| SupervisorFile::read(&self.settings.supervisor));
        let supervisor = supervisor.await.map_err(|fault| PodError::supervisor(pod, fault))?;
        let link = Arc::new(Link::new(connect(&self.cluster, pod, supervisor).await?));
        *slot = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Sends a request without waiting for its answer, if there is a connection to the pod.
    pub(crate) fn notify(&self, pod: &Pod, call: Call) {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = links.get(pod)
            && let Ok(link) = slot.try_lock()
            && let Some(link) = link.as_ref()
        {
            link.notify(call);
        }
    }
}
