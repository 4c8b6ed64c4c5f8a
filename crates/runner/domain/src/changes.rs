//! What a run has changed in its workspace.

use crate::macros::checked_text;
use crate::{CommandId, Workspace};

/// The largest diff that is kept: 256 KiB.
pub const MAX_DIFF_BYTES: usize = 256 << 10;

checked_text!(
    /// The name of a commit of git: 40 or 64 lower-case hexadecimal digits.
    CommitHash,
    CommitHashError,
    "must be 40 or 64 lower-case hexadecimal digits",
    |text| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
);

/// What a workspace differs by, at the end of a run, from the commit at which it stood at the beginning. It
/// contains commits that the run has made, and files that are in no commit and not ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceChanges {
    /// The commit at which the workspace stood at the beginning.
    pub commit: CommitHash,
    /// The number of files that differ.
    pub files: u64,
    /// The number of lines that were added.
    pub insertions: u64,
    /// The number of lines that were removed.
    pub deletions: u64,
    /// The differences in the format of `git diff`, at most [`MAX_DIFF_BYTES`]; `None` where a list leaves it
    /// out.
    pub diff: Option<String>,
    /// Whether the diff is only the beginning of the differences.
    pub is_truncated: bool,
    /// The branch that has the changes, if the run had a [`Worktree`]. It is in the repository of the project's
    /// workspace.
    pub branch: Option<String>,
}

/// A folder with the files of a workspace's repository for one run at a time, which works on a branch of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// The folder.
    pub workspace: Workspace,
    /// The branch.
    pub branch: String,
    /// The commit at which it stood when it was given to the run.
    pub start: CommitHash,
}

/// What a worktree is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorktreeRequest {
    /// The workspace of the project.
    pub workspace: Workspace,
    /// The command that runs in it.
    pub run: CommandId,
    /// The command that gives the worktree its folder and its branch: `run` itself, or the first command of the session
    /// that it resumes, whose files it goes on with.
    pub name: CommandId,
    /// The command whose branch has the files to begin with, if there is no branch of the name: the first command of
    /// the session that is forked.
    pub base: Option<CommandId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_a_whole_hash() {
        for valid in ["a".repeat(40), "0123456789abcdef".repeat(4)] {
            assert!(valid.parse::<CommitHash>().is_ok(), "{valid}");
        }
        for invalid in ["", "HEAD", "-p", &"A".repeat(40), &"a".repeat(39), &"g".repeat(40)] {
            assert_eq!(invalid.parse::<CommitHash>(), Err(CommitHashError), "{invalid:?}");
        }
    }
}
