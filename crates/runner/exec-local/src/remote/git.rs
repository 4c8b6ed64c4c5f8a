//! The version control of the other place: an operation of [`VersionControl`] for each request.

use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{
    CommandId, CommitHash, Workspace, WorkspaceChanges, WorkspacePath, Worktree, WorktreeRequest,
};
use serde::{Deserialize, Serialize};

use super::message::Failure;
use crate::git::LocalGit;

/// An operation of [`VersionControl`]. A repetition of it takes effect once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the parameters of the operations")]
pub enum GitCall {
    Commit {
        directory: String,
    },
    /// The body of the answer has the diff.
    Changes {
        directory: String,
        since: String,
    },
    OpenWorktree {
        directory: String,
        run: String,
        name: String,
        base: Option<String>,
    },
    Worktree {
        run: String,
    },
    SaveWorktree {
        run: String,
    },
    RemoveWorktree {
        run: String,
    },
}

/// The answer to a [`GitCall`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GitAnswer {
    /// The commit at which a folder stands.
    Commit(Option<String>),
    /// What differs. The body has the diff.
    Changes(ChangesForm),
    /// A worktree, if there is one.
    Worktree(Option<WorktreeForm>),
    /// The branch that has what was saved.
    Saved(Option<String>),
    /// The operation took effect.
    Removed,
}

/// The form of [`WorkspaceChanges`], without the diff.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the changes")]
pub struct ChangesForm {
    pub files: u64,
    pub insertions: u64,
    pub deletions: u64,
    pub is_truncated: bool,
}

/// The form of a [`Worktree`].
#[derive(Debug, Serialize, Deserialize)]
pub struct WorktreeForm {
    /// The folder in the other place.
    pub directory: String,
    /// The branch.
    pub branch: String,
    /// The commit at which it began.
    pub start: String,
}

impl GitCall {
    /// Returns the request for a worktree in this folder.
    #[must_use]
    pub fn open_worktree(request: &WorktreeRequest, directory: &WorkspacePath) -> Self {
        Self::OpenWorktree {
            directory: directory.to_string(),
            run: request.run.to_string(),
            name: request.name.to_string(),
            base: request.base.map(|base| base.to_string()),
        }
    }

    /// Returns whether it changes nothing.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Changes { .. } | Self::Worktree { .. })
    }

    /// Carries it out. Returns the answer and its body.
    pub(super) async fn carry_out(self, git: &LocalGit) -> Result<(GitAnswer, Vec<u8>), Failure> {
        let without_body = |answer| Ok((answer, Vec::new()));
        match self {
            Self::Commit { directory } => {
                let commit = git.commit_of(&workspace(&directory)?).await?;
                without_body(GitAnswer::Commit(commit.map(|commit| commit.to_string())))
            }
            Self::Changes { directory, since } => {
                let since: CommitHash = since.parse().map_err(unreadable)?;
                let changes = git.changes_of(&workspace(&directory)?, &since).await?;
                let WorkspaceChanges { files, insertions, deletions, diff, is_truncated, .. } = changes;
                let form = ChangesForm { files, insertions, deletions, is_truncated };
                Ok((GitAnswer::Changes(form), diff.unwrap_or_default().into_bytes()))
            }
            Self::OpenWorktree { directory, run, name, base } => {
                let request = WorktreeRequest {
                    workspace: workspace(&directory)?,
                    run: command(&run)?,
                    name: command(&name)?,
                    base: base.as_deref().map(command).transpose()?,
                };
                let worktree = git.open_worktree(&request).await?;
                without_body(GitAnswer::Worktree(worktree.and_then(form)))
            }
            Self::Worktree { run } => {
                without_body(GitAnswer::Worktree(git.worktree_of(command(&run)?).and_then(form)))
            }
            Self::SaveWorktree { run } => {
                without_body(GitAnswer::Saved(git.save_worktree(command(&run)?).await?))
            }
            Self::RemoveWorktree { run } => {
                git.remove_worktree(command(&run)?).await?;
                without_body(GitAnswer::Removed)
            }
        }
    }
}

impl From<VersionControlError> for Failure {
    fn from(error: VersionControlError) -> Self {
        Self::Other(error.0)
    }
}

fn workspace(directory: &str) -> Result<Workspace, Failure> {
    Ok(Workspace::Local { path: directory.parse().map_err(unreadable)? })
}

fn command(text: &str) -> Result<CommandId, Failure> {
    text.parse().map_err(unreadable)
}

fn form(worktree: Worktree) -> Option<WorktreeForm> {
    let Worktree { workspace: Workspace::Local { path }, branch, start } = worktree else { return None };
    Some(WorktreeForm { directory: path.to_string(), branch, start: start.to_string() })
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}
