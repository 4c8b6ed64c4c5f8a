//! What a run has changed in its workspace.

use crate::macros::checked_text;

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
