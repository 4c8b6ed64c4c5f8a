//! The worktrees of runs.
//!
//! A worktree NAME is a folder `NAME`, which has the folder of the files, and a record `NAME.json`. The record is
//! written before everything else and removed after it, so that what a killed runner leaves behind is found.
//!
//! `git worktree add` would run the hooks and filters of the workspace's repository. So the files are checked out by a
//! private view, and the folder `worktrees/NAME` of the repository, by which git knows a worktree, is written here.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rdev_runner_domain::ports::VersionControlError;
use rdev_runner_domain::{CommandId, CommitHash, Workspace, Worktree, WorktreeRequest};
use serde::{Deserialize, Serialize};

use super::command::Git;
use super::view::{Repository, is_folder, read};
use crate::folder::remove_tree;
use crate::home::private_folder;

/// The end of the names of records that are being written.
const UNFINISHED: &str = ".new";

/// The end of the names of records.
const RECORD: &str = ".json";

/// The file in git's folder of a worktree with the command that it was made for.
const RUN_FILE: &str = "rdev-run";

/// The name of the files' folder, if that of the workspace cannot be used.
const DEFAULT_FOLDER: &str = "workspace";

/// The folder of the worktrees.
#[derive(Debug, Clone)]
pub(super) struct Worktrees {
    folder: PathBuf,
}

/// What is known of a worktree.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// The workspace whose repository has it.
    pub(super) workspace: PathBuf,
    /// The command that runs in it.
    run: String,
    pub(super) stage: Stage,
    /// The commit at which it stood when it was given to the run.
    start: String,
    /// Whether its branch was made for it.
    has_new_branch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// It is being made.
    Making,
    /// A run may work in it.
    Open,
    /// Its branch has all that is in it.
    Saved,
}

/// A worktree that has a record.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its name, which git knows it by.
    pub(super) name: String,
    pub(super) record: Record,
    /// The folder of its files.
    pub(super) files: PathBuf,
}

impl Record {
    pub(super) fn new(workspace: PathBuf, run: CommandId, start: &CommitHash, has_new_branch: bool) -> Self {
        let start = start.as_str().to_owned();
        Self { workspace, run: run.to_string(), stage: Stage::Making, start, has_new_branch }
    }
}

impl Found {
    /// Returns the repository as this worktree has it.
    pub(super) fn repository(&self) -> Repository {
        Repository::within(&self.record.workspace).of_worktree(&self.name)
    }

    /// Passes the worktree, which stands at this commit, to another run.
    pub(super) fn pass_to(&mut self, run: CommandId, commit: &CommitHash) {
        self.record.has_new_branch = self.is_branch_empty(commit);
        self.record.run = run.to_string();
        self.record.start = commit.as_str().to_owned();
    }

    /// Returns whether its branch, which was made for it, has nothing new at this commit.
    pub(super) fn is_branch_empty(&self, commit: &CommitHash) -> bool {
        self.record.has_new_branch && self.record.start == commit.as_str()
    }

    pub(super) fn branch(&self) -> String {
        branch(&self.name)
    }

    /// Returns the commit at which it stood when it was given to its run.
    pub(super) fn start(&self) -> Result<CommitHash, VersionControlError> {
        self.record.start.parse().map_err(|_| VersionControlError("its record names no commit".to_owned()))
    }

    /// Returns the worktree, unless it is unfinished or its path is no text.
    pub(super) fn worktree(&self) -> Option<Worktree> {
        let path = self.files.to_str()?.parse().ok()?;
        let start = self.record.start.parse().ok()?;
        let is_open = self.record.stage == Stage::Open;
        is_open.then(|| Worktree { workspace: Workspace::Local { path }, branch: self.branch(), start })
    }

    /// Writes what makes the folder of the files a worktree of the repository: the index last, without which git finds
    /// changes everywhere.
    pub(super) fn enter(&self, index: &Path) -> io::Result<()> {
        let Repository { common, own } = self.repository();
        let worktrees = Repository::within(&self.record.workspace).worktrees();
        match fs::create_dir(&worktrees) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ if !is_folder(&worktrees) => return Err(io::Error::other("its .git/worktrees is no folder")),
            _ => fs::create_dir(&own)?,
        }
        let link = self.link();
        fs::write(own.join("commondir"), "../..\n")?;
        fs::write(own.join("gitdir"), line(&link))?;
        self.note_run()?;
        fs::write(own.join("HEAD"), self.head())?;
        fs::write(
            &link,
            [b"gitdir: ".as_slice(), &line(&common.join("worktrees").join(&self.name))].concat(),
        )?;
        self.write_index(index)
    }

    /// Notes the command in git's folder of the worktree.
    pub(super) fn note_run(&self) -> io::Result<()> {
        let path = self.repository().own.join(RUN_FILE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A link that an agent may have put there is not followed.
        File::create_new(path)?.write_all(self.record.run.as_bytes())
    }

    /// Returns whether its repository does not know it any more: another host has made one of its name since.
    pub(super) fn is_forgotten(&self) -> io::Result<bool> {
        if self.record.stage != Stage::Open {
            return Ok(false);
        }
        let known = read(&self.repository().own.join("gitdir"))?;
        Ok(known.is_none_or(|known| known != line(&self.link())))
    }

    fn link(&self) -> PathBuf {
        self.files.join(".git")
    }

    /// Lets the worktree stand at its branch, with this index.
    pub(super) fn stand_at_branch(&self, index: &Path) -> io::Result<()> {
        fs::write(self.repository().own.join("HEAD"), self.head())?;
        self.write_index(index)
    }

    fn head(&self) -> String {
        format!("ref: {}\n", reference(&self.branch()))
    }

    fn write_index(&self, index: &Path) -> io::Result<()> {
        let own = self.repository().own;
        let unfinished = own.join("index.rdev-new");
        fs::copy(index, &unfinished)?;
        fs::rename(unfinished, own.join("index"))
    }
}

impl Worktrees {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        private_folder(folder)?;
        Ok(Self { folder: folder.canonicalize()? })
    }

    /// Removes the records that earlier processes have not finished.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.file_name().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Returns where the worktree of a name is, or will be.
    pub(super) fn place(&self, name: CommandId, record: Record) -> Found {
        let name = name.to_string();
        let files = record.workspace.file_name().unwrap_or(DEFAULT_FOLDER.as_ref());
        Found { files: self.folder.join(&name).join(files), name, record }
    }

    pub(super) fn find(&self, name: CommandId) -> Option<Found> {
        let record = fs::read(self.folder.join(format!("{name}{RECORD}"))).ok()?;
        Some(self.place(name, serde_json::from_slice(&record).ok()?))
    }

    /// Returns the worktree of a run.
    pub(super) fn find_of(&self, run: CommandId) -> Option<Found> {
        self.all().find(|found| found.record.run == run.to_string())
    }

    /// Returns the worktree to which a folder belongs.
    pub(super) fn find_at(&self, folder: &Path) -> Option<Found> {
        let name = folder.strip_prefix(&self.folder).ok()?.components().next()?;
        self.find(name.as_os_str().to_str()?.parse().ok()?)
    }

    pub(super) fn runs(&self) -> Vec<CommandId> {
        self.all().filter_map(|found| found.record.run.parse().ok()).collect()
    }

    fn all(&self) -> impl Iterator<Item = Found> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| self.find(entry.file_name().to_str()?.strip_suffix(RECORD)?.parse().ok()?))
    }

    /// Stores the record of a worktree.
    pub(super) fn write(&self, found: &Found) -> io::Result<()> {
        let unfinished = self.folder.join(format!("{}{UNFINISHED}", found.name));
        fs::write(&unfinished, serde_json::to_vec(&found.record)?)?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(unfinished, self.record(found))
    }

    /// Removes a worktree, with what git keeps of it.
    pub(super) fn remove(&self, found: &Found) -> io::Result<()> {
        remove_known(&found.repository())?;
        self.remove_files(found)
    }

    /// Removes a worktree that its repository does not know any more.
    pub(super) fn remove_files(&self, found: &Found) -> io::Result<()> {
        remove_tree(&self.folder.join(&found.name))?;
        match fs::remove_file(self.record(found)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn record(&self, found: &Found) -> PathBuf {
        self.folder.join(format!("{}{RECORD}", found.name))
    }
}

/// Returns the name of the branch of a worktree.
pub(super) fn branch(name: &str) -> String {
    format!("rdev/{name}")
}

pub(super) fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Returns whether the workspace, or a worktree of its repository, stands at a branch.
pub(super) fn is_checked_out(workspace: &Path, branch: &str) -> io::Result<bool> {
    let repository = Repository::within(workspace);
    let others = fs::read_dir(repository.worktrees()).into_iter().flatten().flatten();
    let expected = format!("ref: {}", reference(branch));
    for own in others.map(|entry| entry.path()).chain([repository.common]) {
        if read(&own.join("HEAD"))?.is_some_and(|head| String::from_utf8_lossy(&head).trim() == expected) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Forgets the worktree of this name that another host has made for the same run, which has not begun there and never will.
/// Returns whether there was one.
pub(super) fn forget_unbegun(workspace: &Path, request: &WorktreeRequest) -> io::Result<bool> {
    let repository = Repository::within(workspace).of_worktree(&request.name.to_string());
    let run = match read(&repository.own.join(RUN_FILE))? {
        Some(run) => String::from_utf8_lossy(&run).into_owned(),
        // Earlier versions have the name alone.
        None if is_folder(&repository.own) => request.name.to_string(),
        None => return Ok(false),
    };
    let is_unbegun = run == request.run.to_string();
    if is_unbegun {
        remove_known(&repository)?;
    }
    Ok(is_unbegun)
}

/// Removes what a repository knows of a worktree.
fn remove_known(repository: &Repository) -> io::Result<()> {
    if repository.own.parent().is_some_and(is_folder) { remove_tree(&repository.own) } else { Ok(()) }
}

fn line(path: &Path) -> Vec<u8> {
    [path.as_os_str().as_encoded_bytes(), b"\n"].concat()
}

/// Writes the files of a commit into the folder of git, and its index into the view.
pub(super) async fn check_out(git: &Git<'_>, commit: &CommitHash) -> Result<(), VersionControlError> {
    git.line(&["read-tree", commit.as_str()]).await?;
    git.line(&["checkout-index", "--all", "--force", "--index"]).await.map(drop)
}

/// Commits what differs from the commit at which git stands, without what is ignored and without repositories within.
/// Returns the commit that has all.
pub(super) async fn commit_all(git: &Git<'_>, name: &str) -> Result<CommitHash, VersionControlError> {
    let gone = || VersionControlError("the worktree has no commit any more".to_owned());
    let head = git.commit("HEAD").await?.ok_or_else(gone)?;
    let tree = write_tree(git).await?;
    if tree == tree_of(git, &head).await? {
        return Ok(head);
    }
    let message = format!("Uncommitted work of {name}");
    let author = ["-c", "user.name=rdev", "-c", "user.email=rdev@localhost"];
    let commit = ["commit-tree", &*tree, "-p", head.as_str(), "-m", &*message];
    let commit = git.line(&[&author[..], &commit].concat()).await?;
    commit.parse().map_err(|_| VersionControlError("git named no commit".to_owned()))
}

/// Returns whether the folder of git has the files of a commit alone.
pub(super) async fn is_untouched(git: &Git<'_>, commit: &CommitHash) -> Result<bool, VersionControlError> {
    git.line(&["read-tree", commit.as_str()]).await?;
    Ok(write_tree(git).await? == tree_of(git, commit).await?)
}

async fn tree_of(git: &Git<'_>, commit: &CommitHash) -> Result<String, VersionControlError> {
    git.line(&["rev-parse", "--verify", &format!("{commit}^{{tree}}")]).await
}

/// Writes a tree of all files, without what is ignored and without repositories within. Returns its name.
async fn write_tree(git: &Git<'_>) -> Result<String, VersionControlError> {
    let compare =
        |filter: &'static str| ["diff-files", "-z", "--name-only", filter, "--ignore-submodules=all"];
    let deleted = git.paths(&compare("--diff-filter=D")).await?;
    let mut present = git.paths(&compare("--diff-filter=d")).await?;
    present.extend(git.paths(&["ls-files", "-z", "--others", "--exclude-standard"]).await?);
    for (paths, options) in
        [(deleted, &["--force-remove"][..]), (present, &["--add", "--remove", "--replace"])]
    {
        if !paths.is_empty() {
            let update = [&["update-index", "-z"], options, &["--stdin"]].concat();
            git.run(&update, paths, 0).await?.succeeded()?;
        }
    }
    git.line(&["write-tree"]).await
}
