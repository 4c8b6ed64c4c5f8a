//! The version control of local workspaces, by the program `git`.
//!
//! A repository can name programs for git to run: hooks, monitors of the file system, drivers of diffs, filters of
//! files, transports. So no command of git reads the configuration of a workspace. Each has a repository of its own, a
//! private [`view`] of the workspace's, and an environment made by hand.

mod command;
mod view;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{CommitHash, MAX_DIFF_BYTES, Workspace, WorkspaceChanges};

use command::{Git, Output};
use view::View;

/// How long an operation may take.
const TIMEOUT: Duration = Duration::from_secs(25);

/// The longest list of files that are in no commit, in bytes.
const MAX_LIST_BYTES: usize = 16 << 20;

/// The size of the line before a diff, at most.
const MAX_SUMMARY_BYTES: usize = 1 << 10;

/// The version control of local workspaces.
#[derive(Debug)]
pub struct LocalGit {
    /// The folder of the views, which has nothing else.
    views: PathBuf,
    /// The `PATH` on which git is found.
    path: String,
    /// The folder that no diff shows, without links.
    hidden: PathBuf,
    next: AtomicU64,
}

impl LocalGit {
    /// Creates the version control, whose git is found on this `PATH`. It keeps temporary files in the folder `views`,
    /// which it alone uses: what an earlier process has left there is removed. No diff shows the folder `hidden`, which
    /// a workspace may contain: that of the server's database and keys.
    ///
    /// # Errors
    ///
    /// Fails if the first folder cannot be created or emptied, or if the second does not exist.
    pub fn open(views: PathBuf, hidden: &Path, path: String) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(&views) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => crate::home::private_folder(&views)?,
        }
        Ok(Self { views, path, hidden: hidden.canonicalize()?, next: AtomicU64::new(0) })
    }

    /// Returns a view of the repository of a workspace; `None` if the workspace is none.
    async fn view(&self, folder: PathBuf) -> Result<Option<View>, VersionControlError> {
        let view = self.views.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let made = tokio::task::spawn_blocking(move || View::new(&folder, view)).await;
        made.map_err(|error| VersionControlError(error.to_string()))?
    }

    /// Returns the pathspecs of what a diff of a workspace shows.
    fn shown(&self, folder: &Path) -> Result<Vec<String>, VersionControlError> {
        let unreadable = |error: std::io::Error| VersionControlError(error.to_string());
        let real = folder.canonicalize().map_err(unreadable)?;
        let mut shown = vec!["--".to_owned(), ".".to_owned()];
        if let Ok(hidden) = self.hidden.strip_prefix(real) {
            let Some(hidden) = hidden.to_str().filter(|hidden| !hidden.is_empty()) else {
                return Err(VersionControlError("it has the server's own data".to_owned()));
            };
            shown.push(format!(":(top,literal,exclude){hidden}"));
        }
        Ok(shown)
    }

    fn git<'a>(&'a self, folder: &'a Path, view: &'a View) -> Git<'a> {
        Git { path: &self.path, folder, view: view.path() }
    }
}

#[async_trait]
impl VersionControl for LocalGit {
    async fn commit(&self, workspace: &Workspace) -> Result<Option<CommitHash>, VersionControlError> {
        let Some(folder) = folder(workspace) else { return Ok(None) };
        within(TIMEOUT, async {
            let Some(view) = self.view(folder.clone()).await? else { return Ok(None) };
            head(&self.git(&folder, &view)).await
        })
        .await
    }

    async fn changes(
        &self,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError> {
        let gone = || VersionControlError("the workspace is no git repository any more".to_owned());
        let folder = folder(workspace).ok_or_else(gone)?;
        within(TIMEOUT, async {
            let view = self.view(folder.clone()).await?.ok_or_else(gone)?;
            let git = self.git(&folder, &view);
            let shown = self.shown(&folder)?;
            let shown: Vec<_> = shown.iter().map(String::as_str).collect();
            if !view.has_index() {
                git.run(&["read-tree", since.as_str()], Vec::new(), 0).await?.succeeded()?;
            }
            add_untracked(&git, since, &shown).await?;
            diff(&git, since, &shown).await
        })
        .await
    }
}

/// Returns the commit at which the repository stands.
async fn head(git: &Git<'_>) -> Result<Option<CommitHash>, VersionControlError> {
    let found = git.run(&["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], Vec::new(), 128).await?;
    // Without a commit it fails in silence.
    if !found.is_success && found.stdout.is_empty() && found.complaint.is_empty() {
        return Ok(None);
    }
    let found = found.succeeded()?;
    let hash = String::from_utf8_lossy(&found.stdout).trim().parse();
    hash.map(Some).map_err(|_| VersionControlError("git named no commit".to_owned()))
}

/// Makes the files that are in no commit and not ignored a part of the view's index, as if they had been empty, so that
/// the diff contains them.
async fn add_untracked(git: &Git<'_>, since: &CommitHash, shown: &[&str]) -> Result<(), VersionControlError> {
    let list = [&["ls-files", "-z", "--others", "--exclude-standard"], shown].concat();
    let listed = git.run(&list, Vec::new(), MAX_LIST_BYTES).await?;
    if listed.is_cut {
        return Err(VersionControlError("it has too many files that are in no commit".to_owned()));
    }
    let listed = listed.succeeded()?;
    let mut entries = Vec::new();
    // A path that ends with a slash is another repository.
    let files =
        listed.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty() && !path.ends_with(b"/"));
    for path in files {
        entries.extend_from_slice(format!("100644 {} 0\t", empty_file(since)).as_bytes());
        entries.extend_from_slice(path);
        entries.push(0);
    }
    if entries.is_empty() {
        return Ok(());
    }
    let update = ["update-index", "-z", "--add", "--replace", "--index-info"];
    git.run(&update, entries, 0).await?.succeeded().map(drop)
}

async fn diff(
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

fn folder(workspace: &Workspace) -> Option<PathBuf> {
    match workspace {
        Workspace::Local { path } => Some(path.as_str().into()),
        _ => None,
    }
}

async fn within<T>(
    timeout: Duration,
    operation: impl Future<Output = Result<T, VersionControlError>>,
) -> Result<T, VersionControlError> {
    let late = |_| VersionControlError(format!("git took longer than {} s", timeout.as_secs()));
    tokio::time::timeout(timeout, operation).await.map_err(late).flatten()
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
