//! The version control of workspaces in pods.

use std::sync::Arc;

use async_trait::async_trait;
use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{
    CommandId, CommitHash, MAX_DIFF_BYTES, Pod, PodWorkspace, RunName, Workspace, WorkspaceChanges, Worktree,
    WorktreeRequest,
};
use rdev_runner_exec_local::remote::{Answer, Call, Failure, GitAnswer, GitCall, WorktreeForm};

use crate::backend::KubernetesBackend;
use crate::error::PodError;
use crate::link::Answered;
use crate::places::Place;

/// The version control of workspaces in pods, by the supervisor there, and beside it that of other workspaces. The pod needs
/// the program `git`.
///
/// The pod of a run's workspace is recorded before it is asked anything, and everything later is asked there. The run starts
/// in that pod, and so does the server of an agent that is started for it.
pub struct PodVersionControl {
    pods: Arc<KubernetesBackend>,
    beside: Arc<dyn VersionControl>,
}

impl PodVersionControl {
    /// Creates the version control of the backend's pods beside another one.
    #[must_use]
    pub fn new(pods: Arc<KubernetesBackend>, beside: Arc<dyn VersionControl>) -> Self {
        Self { pods, beside }
    }

    /// Returns the pod that has the worktree of a run.
    async fn pod_of(&self, run: CommandId) -> Result<Option<Pod>, VersionControlError> {
        match self.pods.places.find(&RunName::of_worktree(run)).await.map_err(|error| fault(&error))? {
            Place::Pod(place) => Ok(Some(place.pod)),
            Place::Beside => Ok(None),
        }
    }

    /// Records the pod of a workspace as that of a run, and returns it.
    async fn record(&self, run: CommandId, place: &PodWorkspace) -> Result<Pod, VersionControlError> {
        let name = RunName::of_worktree(run);
        let pod = self.pods.pod(place).await.map_err(|error| fault(&error))?;
        let (pod, _) = self.pods.record(&name, pod).await.map_err(|error| fault(&error))?;
        self.pods.places.set_known(&name, &pod);
        Ok(pod)
    }

    /// Forgets the pod of a run.
    async fn forget(&self, run: CommandId, pod: &Pod) -> Result<(), VersionControlError> {
        let name = RunName::of_worktree(run);
        self.pods.take_back(&name, pod);
        self.pods.places.remove(&name).await.map_err(|error| fault(&error))
    }

    async fn ask(&self, pod: &Pod, git: GitCall) -> Result<Answered, VersionControlError> {
        self.pods.ask(pod, &Call::Git { git }, &[]).await.map_err(|error| fault(&error))
    }
}

#[async_trait]
impl VersionControl for PodVersionControl {
    async fn commit(
        &self,
        run: CommandId,
        workspace: &Workspace,
    ) -> Result<Option<CommitHash>, VersionControlError> {
        let Workspace::Kubernetes(place) = workspace else {
            return self.beside.commit(run, workspace).await;
        };
        let pod = self.record(run, place).await?;
        let call = GitCall::Commit { directory: place.path.to_string() };
        match self.ask(&pod, call).await? {
            (Answer::Git(GitAnswer::Commit(Some(commit))), _) => hash(&commit).map(Some),
            (Answer::Git(GitAnswer::Commit(None)), _) => {
                self.forget(run, &pod).await?;
                Ok(None)
            }
            other => Err(refusal(other)),
        }
    }

    /// The pod that had the run is asked, whichever the selector finds now.
    async fn changes(
        &self,
        run: CommandId,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError> {
        let Workspace::Kubernetes(place) = workspace else {
            return self.beside.changes(run, workspace, since).await;
        };
        let unknown = || VersionControlError("the pod of the run is not recorded".to_owned());
        let pod = self.pod_of(run).await?.ok_or_else(unknown)?;
        let call = GitCall::Changes { directory: place.path.to_string(), since: since.to_string() };
        let (form, diff) = match self.ask(&pod, call).await? {
            (Answer::Git(GitAnswer::Changes(form)), diff) if diff.len() <= MAX_DIFF_BYTES => (form, diff),
            other => return Err(refusal(other)),
        };
        Ok(WorkspaceChanges {
            commit: since.clone(),
            files: form.files,
            insertions: form.insertions,
            deletions: form.deletions,
            diff: Some(String::from_utf8(diff).map_err(|error| fault(&error))?),
            is_truncated: form.is_truncated,
            branch: None,
        })
    }

    async fn open_worktree(
        &self,
        request: &WorktreeRequest,
    ) -> Result<Option<Worktree>, VersionControlError> {
        let Workspace::Kubernetes(place) = &request.workspace else {
            return self.beside.open_worktree(request).await;
        };
        let pod = self.record(request.run, place).await?;
        match self.ask(&pod, GitCall::open_worktree(request, &place.path)).await? {
            (Answer::Git(GitAnswer::Worktree(Some(form))), _) => worktree(place, &form).map(Some),
            (Answer::Git(GitAnswer::Worktree(None)), _) => {
                self.forget(request.run, &pod).await?;
                Ok(None)
            }
            other => Err(refusal(other)),
        }
    }

    async fn worktree(&self, run: CommandId, workspace: &Workspace) -> Option<Worktree> {
        let Workspace::Kubernetes(place) = workspace else {
            return self.beside.worktree(run, workspace).await;
        };
        let found = async {
            let Some(pod) = self.pod_of(run).await? else { return Ok(None) };
            let call = Call::Git { git: GitCall::Worktree { run: run.to_string() } };
            match self.pods.ask_first(&pod, &call).await.map_err(|error| fault(&error))? {
                (Answer::Git(GitAnswer::Worktree(form)), _) => {
                    form.map(|form| worktree(place, &form)).transpose()
                }
                other => Err(refusal(other)),
            }
        };
        found.await.unwrap_or_else(|error| {
            tracing::warn!(command = %run, %error, "the worktree of a run in a pod cannot be found");
            None
        })
    }

    /// A worktree that this process has neither opened nor found is not in a pod: such a run does not need the database.
    async fn save_worktree(&self, run: CommandId) -> Result<Option<String>, VersionControlError> {
        let Some(pod) = self.pods.places.kept_pod(&RunName::of_worktree(run)) else {
            return self.beside.save_worktree(run).await;
        };
        match self.ask(&pod, GitCall::SaveWorktree { run: run.to_string() }).await? {
            (Answer::Git(GitAnswer::Saved(branch)), _) => Ok(branch),
            other => Err(refusal(other)),
        }
    }

    async fn remove_worktree(&self, run: CommandId) -> Result<(), VersionControlError> {
        self.beside.remove_worktree(run).await?;
        let Some(pod) = self.pod_of(run).await? else { return Ok(()) };
        let call = Call::Git { git: GitCall::RemoveWorktree { run: run.to_string() } };
        match self.pods.ask(&pod, &call, &[]).await {
            // With its pod it is gone, or it is a part of a volume that another pod has.
            Ok((Answer::Git(GitAnswer::Removed), _)) | Err(PodError::Gone { .. }) => {}
            Ok(other) => return Err(refusal(other)),
            Err(error) => return Err(fault(&error)),
        }
        self.forget(run, &pod).await
    }

    async fn worktrees(&self) -> Vec<CommandId> {
        let mut runs = self.beside.worktrees().await;
        match self.pods.places.in_pods().await {
            Ok(names) => runs.extend(names.iter().filter_map(RunName::worktree_of)),
            Err(error) => tracing::warn!(%error, "the worktrees in pods cannot be listed"),
        }
        runs
    }
}

fn worktree(place: &PodWorkspace, form: &WorktreeForm) -> Result<Worktree, VersionControlError> {
    let path =
        form.directory.parse().map_err(|error: rdev_runner_domain::WorkspacePathError| fault(&error))?;
    let workspace = Workspace::Kubernetes(PodWorkspace { path, ..place.clone() });
    Ok(Worktree { workspace, branch: form.branch.clone(), start: hash(&form.start)? })
}

fn hash(text: &str) -> Result<CommitHash, VersionControlError> {
    text.parse().map_err(|error: rdev_runner_domain::CommitHashError| fault(&error))
}

/// Returns the error of an answer that is not the expected one.
fn refusal((answer, _): Answered) -> VersionControlError {
    match answer {
        Answer::Failed(Failure::Other(fault)) => VersionControlError(fault),
        _ => VersionControlError("the supervisor gives the answer to another question".to_owned()),
    }
}

fn fault(error: &(dyn std::error::Error + 'static)) -> VersionControlError {
    VersionControlError(crate::error::chain(error))
}
