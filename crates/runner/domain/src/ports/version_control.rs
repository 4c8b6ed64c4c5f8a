use async_trait::async_trait;

use crate::{CommandId, CommitHash, Workspace, WorkspaceChanges, Worktree, WorktreeRequest};

/// The version control of workspaces. A workspace may be hostile: nothing that it names is run.
///
/// A worktree belongs to a run from [`Self::open_worktree`] to [`Self::remove_worktree`], also across a restart of the
/// runner. Its branch stays, if it has anything.
#[async_trait]
pub trait VersionControl: Send + Sync + 'static {
    /// Returns the commit at which the workspace of a run stands; `None` if the workspace is no repository, or has no
    /// commit. From then on the run has its place: what is asked about it later is answered there.
    ///
    /// 1. MUST return within half a minute, run nothing that the workspace names, and read no repository but
    ///    its own.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn commit(
        &self,
        run: CommandId,
        workspace: &Workspace,
    ) -> Result<Option<CommitHash>, VersionControlError>;

    /// Returns what the workspace of a run differs by from a commit of its repository.
    ///
    /// 1. MUST keep the requirement of [`Self::commit`].
    /// 2. MUST NOT change the workspace or its repository.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn changes(
        &self,
        run: CommandId,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError>;

    /// Gives a run a worktree: of the commit at which the workspace stands, or with the files of an earlier run, as the
    /// request says. `None` if the workspace is no repository, or has no commit.
    ///
    /// 1. MUST change nothing in the workspace but add the branch and what git keeps of a worktree.
    /// 2. MUST leave nothing that looks like a worktree if it is interrupted.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn open_worktree(&self, request: &WorktreeRequest)
    -> Result<Option<Worktree>, VersionControlError>;

    /// Returns the worktree of a run, if it has one. The workspace is that of its project.
    async fn worktree(&self, run: CommandId, workspace: &Workspace) -> Option<Worktree>;

    /// Commits what is in no commit of a run's worktree, and lets its branch have all of it. Returns the branch; `None`
    /// if it has nothing new, or if the run has no worktree.
    ///
    /// 1. MUST accept a repetition.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn save_worktree(&self, run: CommandId) -> Result<Option<String>, VersionControlError>;

    /// Saves the worktree of a run, and removes it. Removes the branch too if the run has changed nothing. Forgets the
    /// place of the run.
    ///
    /// 1. MUST accept a repetition, and a run without a worktree.
    /// 2. MUST NOT remove what cannot be saved.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn remove_worktree(&self, run: CommandId) -> Result<(), VersionControlError>;

    /// Returns the runs that may have a worktree, those of earlier runners included.
    async fn worktrees(&self) -> Vec<CommandId>;
}

/// The reason why an operation of a version control failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VersionControlError(pub String);
