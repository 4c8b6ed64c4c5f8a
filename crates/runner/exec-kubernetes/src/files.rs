//! The files of workspaces in pods.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::WorkspaceFiles;
use rdev_runner_domain::{FileState, Pod, PodWorkspace, Rendering, TemplateError, Workspace};
use rdev_runner_exec_local::remote::{Answer, Call, Failure, FilesAnswer, FilesCall, encode_files};
use tokio::time::timeout;

use crate::backend::{KubernetesBackend, token};
use crate::error::{PodError, chain};

/// The longest answer of a supervisor, in bytes: that all files of a template are in the way.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// How long a cluster or a supervisor that is silent is waited for, beyond the time for which it is tried again.
const SILENCE: Duration = Duration::from_secs(15);

/// The files of workspaces in pods, by the supervisor there, and beside it those of other workspaces. A connection that
/// breaks is made again: a write takes effect once.
pub struct PodFiles {
    pods: Arc<KubernetesBackend>,
    beside: Arc<dyn WorkspaceFiles>,
    patience: Duration,
}

impl PodFiles {
    /// Creates the port for the backend's pods beside another one. `patience` is how long a pod is looked for, and how
    /// long a request is tried again.
    #[must_use]
    pub fn new(pods: Arc<KubernetesBackend>, beside: Arc<dyn WorkspaceFiles>, patience: Duration) -> Self {
        Self { pods, beside, patience }
    }

    async fn pod(&self, place: &PodWorkspace) -> Result<Pod, TemplateError> {
        let pod = self.in_time(self.pods.pod_within(self.patience, place)).await;
        pod.map_err(|error| TemplateError::Unreachable(chain(&error)))
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, PodError>>) -> Result<T, PodError> {
        let limit = self.patience + SILENCE;
        let late = |_| PodError::lost(format!("no answer within {} s", limit.as_secs()));
        timeout(limit, answer).await.map_err(late).flatten()
    }

    async fn ask(
        &self,
        pod: &Pod,
        call: FilesCall,
        files: &Rendering,
    ) -> Result<Vec<FileState>, TemplateError> {
        let body = encode_files(files).map_err(|error| TemplateError::Unreachable(error.to_string()))?;
        let (is_read, call) = (call.is_read(), Call::Files { files: call });
        let asking = self.in_time(self.pods.ask_within(self.patience, pod, &call, &body));
        let (answer, body) = match asking.await {
            Ok(answered) => answered,
            // The last attempt may have arrived.
            Err(error @ (PodError::ConnectionLost(_) | PodError::Gone { .. })) if !is_read => {
                return Err(TemplateError::Unfinished(chain(&error)));
            }
            Err(error) => return Err(TemplateError::Unreachable(chain(&error))),
        };
        let result = match answer {
            Answer::Files if body.len() <= MAX_ANSWER_BYTES => serde_json::from_slice(&body)
                .ok()
                .and_then(|answer: FilesAnswer| answer.into_result(files.files.len())),
            Answer::Failed(Failure::Other(fault)) => Some(Err(TemplateError::Unreachable(fault))),
            _ => None,
        };
        result.unwrap_or_else(|| {
            let fault = format!("the supervisor in {pod} gives the answer to another question");
            Err(TemplateError::Unreachable(fault))
        })
    }
}

#[async_trait]
impl WorkspaceFiles for PodFiles {
    async fn states(
        &self,
        workspace: &Workspace,
        files: &Rendering,
    ) -> Result<Vec<FileState>, TemplateError> {
        let Workspace::Kubernetes(place) = workspace else {
            return self.beside.states(workspace, files).await;
        };
        let pod = self.pod(place).await?;
        self.ask(&pod, FilesCall::states(&place.path), files).await
    }

    async fn write(
        &self,
        workspace: &Workspace,
        files: &Rendering,
        overwrites: bool,
    ) -> Result<Vec<FileState>, TemplateError> {
        let Workspace::Kubernetes(place) = workspace else {
            return self.beside.write(workspace, files, overwrites).await;
        };
        let pod = self.pod(place).await?;
        self.ask(&pod, FilesCall::write(&place.path, token(), overwrites), files).await
    }
}
