//! The version control of local workspaces, by the program `git`.
//!
//! A repository can name programs for git to run: hooks, monitors of the file system, drivers of diffs, filters of
//! files, transports. So no command of git reads the configuration of a workspace. Each has a repository of its own, a
//! private [`view`] of the workspace's, and an environment made by hand.

mod changes;
mod command;
mod view;
mod worktrees;

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{CommandId, CommitHash, Workspace, WorkspaceChanges, Worktree, WorktreeRequest};
use tokio::sync::{Mutex, MutexGuard};

use changes::{add_untracked, diff};
use command::Git;
use view::{Repository, View};
use worktrees::{
    Found, Record, Stage, Worktrees, branch, check_out, commit_all, forget_unbegun, is_checked_out,
    is_untouched, reference,
};

/// How long an operation may take that only reads.
const TIMEOUT: Duration = Duration::from_secs(25);

/// How long it may take to write all files of a worktree, or to commit them.
const WORKTREE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a change of a worktree waits for others, those of other processes included.
const LOCK_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// The folder of the views, and the file that is locked while a process makes its own there.
const VIEWS: &str = "git";
const VIEWS_LOCK: &str = "git.lock";

/// The version control of local workspaces.
#[derive(Debug)]
pub struct LocalGit {
    /// The folder of the views, which has nothing else.
    views: PathBuf,
    /// Locked as long as this process lives, so that others leave the folder alone.
    _views_lock: Option<File>,
    worktrees: Worktrees,
    /// One worktree is changed at a time: within this process, and by the lock of the file among all processes.
    changing: Mutex<()>,
    changing_lock: PathBuf,
    /// The `PATH` on which git is found.
    path: String,
    /// The folder that no diff shows, without links.
    hidden: PathBuf,
    next: AtomicU64,
}

impl LocalGit {
    /// Creates the version control, whose git is found on this `PATH`. It alone uses the folder: what an earlier process
    /// has left there for one operation is removed, and the worktrees are kept. No diff shows the folder `hidden`, which
    /// a workspace may contain: that of the server's database and keys.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be created or emptied, or if the folder `hidden` does not exist.
    pub fn open(folder: &Path, hidden: &Path, path: String) -> io::Result<Self> {
        let views = folder.join(VIEWS);
        crate::folder::remove_tree(&views)?;
        crate::home::private_folder(&views)?;
        let git = Self::on(folder, (views, None), hidden, path)?;
        git.worktrees.remove_unfinished()?;
        Ok(git)
    }

    /// Creates the version control as [`Self::open`] does, on a folder that other processes use too.
    ///
    /// # Errors
    ///
    /// Fails if a folder cannot be created, or if the folder `hidden` does not exist.
    pub fn share(folder: &Path, hidden: &Path, path: String) -> io::Result<Self> {
        crate::home::private_folder(folder)?;
        let lock = File::options().write(true).create(true).truncate(false).open(folder.join(VIEWS_LOCK))?;
        lock.lock()?;
        // Processes of several containers may share the folder, and have the same id.
        let name = format!("{:016x}", RandomState::new().hash_one(std::process::id()));
        let (all, views) = (folder.join(VIEWS), folder.join(VIEWS).join(name));
        crate::home::private_folder(&views)?;
        let own = File::open(&views)?;
        own.lock()?;
        remove_abandoned(&all);
        Self::on(folder, (views, Some(own)), hidden, path)
    }

    fn on(
        folder: &Path,
        (views, views_lock): (PathBuf, Option<File>),
        hidden: &Path,
        path: String,
    ) -> io::Result<Self> {
        Ok(Self {
            views,
            _views_lock: views_lock,
            worktrees: Worktrees::open(&folder.join("worktrees"))?,
            changing: Mutex::default(),
            changing_lock: folder.join("worktrees.lock"),
            path,
            hidden: hidden.canonicalize()?,
            next: AtomicU64::new(0),
        })
    }

    /// Waits until no worktree is changed elsewhere. None is until the guards are dropped.
    async fn alone(&self) -> Result<(MutexGuard<'_, ()>, File), VersionControlError> {
        let changing = self.changing.lock().await;
        let lock = crate::lock::lock(&self.changing_lock, LOCK_PATIENCE).await.map_err(unusable)?;
        Ok((changing, lock))
    }

    /// Returns the worktree of a run, if it has one.
    pub(crate) fn worktree_of(&self, run: CommandId) -> Option<Worktree> {
        self.worktrees.find_of(run)?.worktree()
    }

    /// Returns the repository of a folder, which may be a worktree.
    fn repository(&self, folder: &Path) -> Repository {
        let worktree = self.worktrees.find_at(folder);
        worktree.map_or_else(|| Repository::within(folder), |found| found.repository())
    }

    /// Returns a view of a repository; `None` if there is none.
    async fn view(&self, repository: Repository) -> Result<Option<View>, VersionControlError> {
        // A git that an earlier process has started may still use one.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let view = self.views.join(format!("{}-{number}", std::process::id()));
        blocking(move || View::new(&repository, view)).await?
    }

    /// Returns the pathspecs of what a diff of a workspace shows.
    fn shown(&self, folder: &Path) -> Result<Vec<String>, VersionControlError> {
        let unreadable = |error: io::Error| VersionControlError(error.to_string());
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
        Git { path: &self.path, folder, view: view.path(), objects: None }
    }

    /// Returns the commit at which a workspace stands.
    pub(crate) async fn commit_of(
        &self,
        workspace: &Workspace,
    ) -> Result<Option<CommitHash>, VersionControlError> {
        let Some(folder) = folder(workspace) else { return Ok(None) };
        within(TIMEOUT, async {
            let Some(view) = self.view(self.repository(&folder)).await? else { return Ok(None) };
            self.git(&folder, &view).commit("HEAD").await
        })
        .await
    }

    /// Returns what a workspace differs by from a commit.
    pub(crate) async fn changes_of(
        &self,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError> {
        let gone = || VersionControlError("the workspace is no git repository any more".to_owned());
        let folder = folder(workspace).ok_or_else(gone)?;
        within(TIMEOUT, async {
            let view = self.view(self.repository(&folder)).await?.ok_or_else(gone)?;
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

    /// Makes the worktree of a name that has none; `None` if the workspace is no repository with a commit.
    async fn make(&self, request: &WorktreeRequest) -> Result<Option<Found>, VersionControlError> {
        let Some(workspace) = folder(&request.workspace) else { return Ok(None) };
        let Some(view) = self.view(Repository::within(&workspace)).await? else { return Ok(None) };
        let git = self.git(&workspace, &view);
        let Some(head) = git.commit("HEAD").await? else { return Ok(None) };
        let is_again = forget_unbegun(&workspace, request).map_err(unusable)?;
        let own_branch = branch(&request.name.to_string());
        let own = git.commit(&reference(&own_branch)).await?;
        // The branch of a run's own name that has not begun has nothing.
        let own = own.filter(|_| !(is_again && request.name == request.run));
        if own.is_some() && is_checked_out(&workspace, &own_branch).map_err(unusable)? {
            return Err(VersionControlError(format!(
                "the branch {own_branch} is checked out elsewhere: check out another one there"
            )));
        }
        let base = match (&own, request.base) {
            (None, Some(base)) => git.commit(&reference(&branch(&base.to_string()))).await?,
            _ => None,
        };
        let has_new_branch = own.is_none();
        let start = own.or(base).unwrap_or(head);
        let record = Record::new(workspace.clone(), request.run, &start, has_new_branch);
        let mut found = self.worktrees.place(request.name, record);
        self.worktrees.write(&found).map_err(unusable)?;
        crate::home::private_folder(&found.files).map_err(unusable)?;
        let git = Git { folder: &found.files, ..git };
        check_out(&git, &start).await?;
        if has_new_branch {
            git.line(&["update-ref", &reference(&own_branch), start.as_str()]).await?;
        }
        found.enter(&view.index()).map_err(unusable)?;
        found.record.stage = Stage::Open;
        self.worktrees.write(&found).map_err(unusable)?;
        Ok(Some(found))
    }

    /// Lets the branch of a worktree have all that is in it. Returns the last commit.
    async fn save(&self, found: &Found) -> Result<CommitHash, VersionControlError> {
        let gone = || VersionControlError("the worktree has lost its repository".to_owned());
        let view = self.view(found.repository()).await?.ok_or_else(gone)?;
        let objects = found.repository().common.join("objects");
        let git = Git { objects: Some(&objects), ..self.git(&found.files, &view) };
        if !view.has_index() {
            git.line(&["read-tree", "HEAD"]).await?;
        }
        let commit = commit_all(&git, &found.name).await?;
        git.line(&["update-ref", &reference(&found.branch()), commit.as_str()]).await?;
        found.stand_at_branch(&view.index()).map_err(unusable)?;
        Ok(commit)
    }

    /// Removes a worktree of a run that began on another host, which has made its own. It has nothing but files of a commit.
    async fn remove_unknown(&self, found: Found) -> Result<(), VersionControlError> {
        let lost = || VersionControlError("the worktree has lost its repository, and has work".to_owned());
        let view = self.view(Repository::within(&found.record.workspace)).await?.ok_or_else(lost)?;
        if !is_untouched(&self.git(&found.files, &view), &found.start()?).await? {
            return Err(lost());
        }
        let folder = self.worktrees.clone();
        blocking(move || folder.remove_files(&found)).await?.map_err(unusable)
    }

    /// Removes a worktree whose work is saved, or in which no run has begun, and its branch if that has nothing.
    async fn discard(&self, found: Found) -> Result<(), VersionControlError> {
        let workspace = &found.record.workspace;
        if let Some(view) = self.view(Repository::within(workspace)).await? {
            let git = self.git(workspace, &view);
            let reference = reference(&found.branch());
            if let Some(commit) = git.commit(&reference).await?
                && found.is_branch_empty(&commit)
            {
                git.line(&["update-ref", "-d", &reference, commit.as_str()]).await?;
            }
        }
        let folder = self.worktrees.clone();
        blocking(move || folder.remove(&found)).await?.map_err(unusable)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is used in place of a closure")]
fn unusable(error: io::Error) -> VersionControlError {
    VersionControlError(error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, VersionControlError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| VersionControlError(error.to_string()))
}

#[async_trait]
impl VersionControl for LocalGit {
    async fn commit(
        &self,
        _: CommandId,
        workspace: &Workspace,
    ) -> Result<Option<CommitHash>, VersionControlError> {
        self.commit_of(workspace).await
    }

    async fn changes(
        &self,
        _: CommandId,
        workspace: &Workspace,
        since: &CommitHash,
    ) -> Result<WorkspaceChanges, VersionControlError> {
        self.changes_of(workspace, since).await
    }

    async fn open_worktree(
        &self,
        request: &WorktreeRequest,
    ) -> Result<Option<Worktree>, VersionControlError> {
        let _one_at_a_time = self.alone().await?;
        within(WORKTREE_TIMEOUT, async {
            let found = match self.worktrees.find(request.name) {
                Some(found) if found.is_forgotten().map_err(unusable)? => {
                    self.remove_unknown(found).await?;
                    self.make(request).await?
                }
                // That of a run that has just ended.
                Some(mut found) if found.record.stage == Stage::Open => {
                    let commit = self.save(&found).await?;
                    found.pass_to(request.run, &commit);
                    self.worktrees.write(&found).map_err(unusable)?;
                    found.note_run().map_err(unusable)?;
                    Some(found)
                }
                Some(unfinished) => {
                    self.discard(unfinished).await?;
                    self.make(request).await?
                }
                None => self.make(request).await?,
            };
            let no_text = || VersionControlError("the path of its worktree is no text".to_owned());
            found.map(|found| found.worktree().ok_or_else(no_text)).transpose()
        })
        .await
    }

    async fn worktree(&self, run: CommandId, _: &Workspace) -> Option<Worktree> {
        self.worktree_of(run)
    }

    async fn save_worktree(&self, run: CommandId) -> Result<Option<String>, VersionControlError> {
        if self.worktrees.find_of(run).is_none() {
            return Ok(None);
        }
        let _one_at_a_time = self.alone().await?;
        let Some(found) = self.worktrees.find_of(run) else { return Ok(None) };
        let commit = within(WORKTREE_TIMEOUT, self.save(&found)).await?;
        Ok((!found.is_branch_empty(&commit)).then(|| found.branch()))
    }

    async fn remove_worktree(&self, run: CommandId) -> Result<(), VersionControlError> {
        if self.worktrees.find_of(run).is_none() {
            return Ok(());
        }
        let _one_at_a_time = self.alone().await?;
        let Some(mut found) = self.worktrees.find_of(run) else { return Ok(()) };
        within(WORKTREE_TIMEOUT, async {
            if found.is_forgotten().map_err(unusable)? {
                return self.remove_unknown(found).await;
            }
            if found.record.stage == Stage::Open {
                self.save(&found).await?;
                found.record.stage = Stage::Saved;
                self.worktrees.write(&found).map_err(unusable)?;
            }
            self.discard(found).await
        })
        .await
    }

    async fn worktrees(&self) -> Vec<CommandId> {
        self.worktrees.runs()
    }
}

/// Removes the views of processes that have ended, whose folders no one has locked.
fn remove_abandoned(views: &Path) {
    for entry in fs::read_dir(views).into_iter().flatten().flatten() {
        if File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            // What cannot be removed is in no one's way.
            let _ = crate::folder::remove_tree(&entry.path());
        }
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
