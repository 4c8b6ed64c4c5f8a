//! What a folder differs by from a commit.

use rdev_runner_domain::ports::VersionControlError;
use rdev_runner_domain::{CommitHash, MAX_DIFF_BYTES, WorkspaceChanges};

use super::command::{Git, Output};

/// The size of the line before a diff, at most.
const MAX_SUMMARY_BYTES: usize = 1 << 10;

/// Makes the files that are in no commit and not ignored a part of the view's index, as if they had been empty, so that
/// the diff contains them.
pub(super) async fn add_untracked(
    git: &Git<'_>,
    since: &CommitHash,
    shown: &[&str],
) -> Result<(), VersionControlError> {
    let list = [&["ls-files", "-z", "--others", "--exclude-standard"], shown].concat();
    let listed = git.paths(&list).await?;
    let mut entries = Vec::new();
    for path in listed.split_inclusive(|byte| *byte == 0) {
        entries.extend_from_slice(format!("100644 {} 0\t", empty_file(since)).as_bytes());
        entries.extend_from_slice(path);
    }
    if entries.is_empty() {
        return Ok(());
    }
    let update = ["update-index", "-z", "--add", "--replace", "--index-info"];
    git.run(&update, entries, 0).await?.succeeded().map(drop)
}

pub(super) async fn diff(
    git: &Git<'_>,
    since: &CommitHash,
    shown: &[&str],
) -> Result<WorkspaceChanges, VersionControlError> {
    let options = [
        "diff",
        "--shortstat",
        "--patch",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--ignore-submodules=all",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        since.as_str(),
    ];
    let output = git.run(&[&options, shown].concat(), Vec::new(), MAX_SUMMARY_BYTES + MAX_DIFF_BYTES).await?;
    let Output { stdout, mut is_cut, .. } = output.succeeded()?;
    let text = String::from_utf8_lossy(&stdout);
    let (summary, diff) = text.split_once('\n').unwrap_or((&*text, ""));
    let [files, insertions, deletions] = counts(summary);
    let mut diff = diff.trim_start_matches('\n');
    if diff.len() > MAX_DIFF_BYTES {
        (diff, is_cut) = (&diff[..diff.floor_char_boundary(MAX_DIFF_BYTES)], true);
    }
    if is_cut {
        // Whole lines alone.
        diff = diff.rfind('\n').map_or("", |end| &diff[..=end]);
    }
    Ok(WorkspaceChanges {
        commit: since.clone(),
        files,
        insertions,
        deletions,
        diff: Some(diff.to_owned()),
        is_truncated: is_cut,
        branch: None,
    })
}

/// Reads the numbers of ` 3 files changed, 4 insertions(+), 1 deletion(-)`.
fn counts(summary: &str) -> [u64; 3] {
    ["file", "insertion", "deletion"].map(|noun| {
        let part = summary.split(',').find(|part| part.contains(noun));
        part.and_then(|part| part.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    })
}

/// Returns the name of the empty file in repositories with commits like this one.
fn empty_file(commit: &CommitHash) -> &'static str {
    match commit.as_str().len() {
        40 => "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        _ => "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_summary_are_read() {
        let summary = " 3 files changed, 40 insertions(+), 1 deletion(-)";
        assert_eq!(counts(summary), [3, 40, 1]);
        assert_eq!(counts(" 1 file changed, 2 deletions(-)"), [1, 0, 2]);
        assert_eq!(counts(""), [0, 0, 0]);
    }
}
