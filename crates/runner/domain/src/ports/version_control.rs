use async_trait::async_trait;

use crate::{CommitHash, Workspace, WorkspaceChanges};

/// The version control of workspaces. It only reads a workspace, which may be hostile.
#[async_trait]
pub trait VersionControl: Send + Sync + 'static {
    /// Returns the commit at which a workspace stands; `None` if the workspace is no repository, or has no
    /// commit.
    ///
    /// 1. MUST return within half a minute, run nothing that the workspace names, and read no repository but
    ///    its own.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn commit(&self, workspace: &Workspace) -> Result<Option<CommitHash>, VersionControlError>;

    /// Returns what a workspace differs by from a commit of its repository.
    ///
    /// 1. MUST keep the requirement of [`Self::commit`].
    /// 2. MUST NOT change the workspace or its repository.
    ///
    /// # Errors
    ///
    /// Fails with a sentence about the cause.
    async fn changes(
        &self,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError>;
}

/// The reason why nothing is known about the changes of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VersionControlError(pub String);
