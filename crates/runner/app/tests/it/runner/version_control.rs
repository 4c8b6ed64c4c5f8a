//! A version control without files.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{CommandId, CommitHash, Workspace, WorkspaceChanges, Worktree, WorktreeRequest};

/// A variable that cargo sets for every test, and its value, which the changes contain.
pub(super) const NAME: &str = "CARGO_MANIFEST_DIR";
const SECRET: &str = env!("CARGO_MANIFEST_DIR");

/// A version control in which the workspace stands at another commit each time.
#[derive(Default)]
pub(super) struct Repository {
    pub(super) commits: AtomicU8,
    pub(super) fails: bool,
    pub(super) refuses: bool,
    pub(super) is_none: bool,
    /// The requests for the worktrees that there are.
    pub(super) worktrees: Mutex<BTreeMap<CommandId, WorktreeRequest>>,
    /// All requests for worktrees.
    pub(super) requests: Mutex<Vec<WorktreeRequest>>,
}

pub(super) fn commit(number: u8) -> CommitHash {
    number.to_string().repeat(40).parse().unwrap()
}

/// Returns the worktree of a name.
pub(super) fn worktree(name: CommandId) -> Worktree {
    let path = format!("/worktrees/{name}").parse().unwrap();
    Worktree { workspace: Workspace::Local { path }, branch: format!("rdev/{name}"), start: commit(0) }
}

#[async_trait]
impl VersionControl for Repository {
    async fn commit(&self, _: CommandId, _: &Workspace) -> Result<Option<CommitHash>, VersionControlError> {
        Ok(Some(commit(self.commits.fetch_add(1, Ordering::Relaxed))))
    }

    async fn changes(
        &self,
        _: CommandId,
        _: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError> {
        if self.fails {
            return Err(VersionControlError("git is ill".to_owned()));
        }
        let diff = Some(format!("+key={SECRET}\n"));
        let (files, insertions, deletions) = (1, 1, 0);
        Ok(WorkspaceChanges {
            commit: since.clone(),
            files,
            insertions,
            deletions,
            diff,
            is_truncated: false,
            branch: None,
        })
    }

    async fn open_worktree(
        &self,
        request: &WorktreeRequest,
    ) -> Result<Option<Worktree>, VersionControlError> {
        if self.refuses {
            return Err(VersionControlError("git is ill".to_owned()));
        }
        if self.is_none {
            return Ok(None);
        }
        self.requests.lock().unwrap().push(request.clone());
        self.worktrees.lock().unwrap().insert(request.run, request.clone());
        Ok(Some(worktree(request.name)))
    }

    async fn worktree(&self, run: CommandId, _: &Workspace) -> Option<Worktree> {
        self.worktrees.lock().unwrap().get(&run).map(|request| worktree(request.name))
    }

    async fn save_worktree(&self, run: CommandId) -> Result<Option<String>, VersionControlError> {
        let requests = self.worktrees.lock().unwrap();
        Ok(requests.get(&run).map(|request| worktree(request.name).branch))
    }

    async fn remove_worktree(&self, run: CommandId) -> Result<(), VersionControlError> {
        self.worktrees.lock().unwrap().remove(&run);
        Ok(())
    }

    async fn worktrees(&self) -> Vec<CommandId> {
        self.worktrees.lock().unwrap().keys().copied().collect()
    }
}
