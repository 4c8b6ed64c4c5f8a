//! The version control of workspaces, with the real git.

mod worktrees;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rdev_runner_domain::ports::{VersionControl, VersionControlError};
use rdev_runner_domain::{CommitHash, MAX_DIFF_BYTES, Workspace, WorkspaceChanges};
use rdev_runner_exec_local::LocalGit;
use rdev_runner_testkit::command_id;
use tempfile::TempDir;

/// A workspace, and its version control.
struct Scene {
    git: LocalGit,
    folder: PathBuf,
    workspace: PathBuf,
    _directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let (folder, workspace) = (directory.path().to_owned(), directory.path().join("workspace"));
        fs::create_dir(&workspace).unwrap();
        fs::create_dir(workspace.join("hidden [x]")).unwrap();
        let git = open(&folder, &workspace, std::env::var("PATH").unwrap());
        Self { git, folder, workspace, _directory: directory }
    }

    /// A workspace that is a repository with a commit of the file `first`.
    fn with_commit() -> Self {
        let scene = Self::new();
        scene.run(&["init", "--quiet"]);
        scene.write("first", "one\ntwo\n");
        scene.commit_all();
        scene
    }

    fn run(&self, args: &[&str]) -> String {
        run_in(&self.workspace, args)
    }

    fn commit_all(&self) {
        self.run(&["add", "--all"]);
        self.run(&["commit", "--quiet", "--message", "a commit"]);
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.workspace.join(name), content).unwrap();
    }

    fn place(&self) -> Workspace {
        Workspace::Local { path: self.workspace.to_str().unwrap().parse().unwrap() }
    }

    /// Returns a program, and the file that it makes when it runs.
    fn script_with_proof(&self) -> (PathBuf, PathBuf) {
        let (script, proof) = (self.folder.join("script"), self.folder.join("proof"));
        fs::write(&script, format!("#!/bin/sh\ntouch '{}'\ncat\n", proof.display())).unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        (script, proof)
    }

    async fn commit(&self) -> Option<CommitHash> {
        self.git.commit(command_id(1), &self.place()).await.unwrap()
    }

    async fn try_changes(&self, since: &CommitHash) -> Result<WorkspaceChanges, VersionControlError> {
        let found = self.git.changes(command_id(1), &self.place(), since).await;
        assert_eq!(fs::read_dir(self.folder.join("git")).unwrap().count(), 0, "a view is left");
        found
    }

    async fn changes(&self, since: &CommitHash) -> WorkspaceChanges {
        self.try_changes(since).await.unwrap()
    }
}

fn open(folder: &Path, workspace: &Path, path: String) -> LocalGit {
    LocalGit::open(folder, &workspace.join("hidden [x]"), path).unwrap()
}

fn run_in(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=n", "-c", "user.email=n@example.com"]);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn counts(changes: &WorkspaceChanges) -> [u64; 3] {
    [changes.files, changes.insertions, changes.deletions]
}

#[tokio::test]
async fn a_workspace_without_a_commit_has_none() {
    let scene = Scene::new();
    assert_eq!(scene.commit().await, None);
    scene.run(&["init", "--quiet"]);
    assert_eq!(scene.commit().await, None);
    scene.write("first", "one\n");
    scene.commit_all();
    assert_eq!(scene.commit().await.unwrap().as_str(), scene.run(&["rev-parse", "HEAD"]));
    // References that are packed, and a commit of no branch.
    scene.run(&["gc", "--quiet"]);
    assert_eq!(scene.commit().await.unwrap().as_str(), scene.run(&["rev-parse", "HEAD"]));
    scene.run(&["checkout", "--quiet", "--detach"]);
    assert_eq!(scene.commit().await.unwrap().as_str(), scene.run(&["rev-parse", "HEAD"]));
}

#[tokio::test]
async fn changes_contain_commits_of_the_run_and_files_that_are_in_none() {
    let scene = Scene::with_commit();
    let start = scene.commit().await.unwrap();
    assert_eq!(counts(&scene.changes(&start).await), [0, 0, 0]);
    scene.write(".gitignore", "ignored\n");
    scene.commit_all();
    scene.write("first", "one\nthree\n");
    scene.run(&["add", "first"]);
    scene.write("a \"new\" file\né", "four");
    scene.write("ignored", "five\n");
    scene.write("hidden [x]/api-key", "six\n");
    fs::create_dir(scene.workspace.join("inner")).unwrap();
    run_in(&scene.workspace.join("inner"), &["init", "--quiet"]);
    let before = scene.run(&["status", "--porcelain"]);
    let changes = scene.changes(&start).await;
    assert_eq!(counts(&changes), [3, 3, 1]);
    assert_eq!((&changes.commit, changes.is_truncated), (&start, false));
    let diff = changes.diff.unwrap();
    for expected in ["+++ b/.gitignore\n", "-two\n+three\n", "+four\n\\ No newline at end of file\n"] {
        assert!(diff.contains(expected), "{expected}: {diff}");
    }
    assert!(
        diff.starts_with("diff --git a/") && !diff.contains("five") && !diff.contains("hidden"),
        "{diff}"
    );
    assert_eq!(scene.run(&["status", "--porcelain"]), before, "the workspace is as it was");
    // Every kind of change at once: a file in place of a folder, an empty one, a link, bytes that are no text.
    let scene = Scene::with_commit();
    fs::create_dir(scene.workspace.join("folder")).unwrap();
    scene.write("folder/file", "x\n");
    scene.commit_all();
    let start = scene.commit().await.unwrap();
    fs::remove_dir_all(scene.workspace.join("folder")).unwrap();
    fs::remove_file(scene.workspace.join("first")).unwrap();
    scene.write("folder", "");
    symlink("/etc/passwd", scene.workspace.join("link")).unwrap();
    fs::write(scene.workspace.join("binary"), b"\0\xff").unwrap();
    fs::remove_file(scene.workspace.join(".git/index")).unwrap();
    let changes = scene.changes(&start).await;
    assert_eq!(counts(&changes), [5, 1, 3], "{changes:?}");
    assert!(changes.diff.unwrap().contains("Binary files"));
}

#[tokio::test]
async fn the_hidden_folder_is_in_no_diff() {
    let scene = Scene::new();
    scene.run(&["init", "--quiet"]);
    scene.write("hidden [x]/committed", "one\n");
    scene.write("hidden x", "two\n");
    scene.commit_all();
    let start = scene.commit().await.unwrap();
    scene.write("hidden [x]/committed", "a key\n");
    scene.write("hidden [x]/new", "a key\n");
    scene.write("hidden x", "shown\n");
    let changes = scene.changes(&start).await;
    assert_eq!(counts(&changes), [1, 1, 1]);
    assert!(!changes.diff.unwrap().contains("a key"));
    // The workspace is the hidden folder itself.
    let git = LocalGit::open(&scene.folder, &scene.workspace, std::env::var("PATH").unwrap()).unwrap();
    assert!(git.changes(command_id(1), &scene.place(), &start).await.is_err());
}

#[tokio::test]
async fn a_large_diff_is_cut_at_a_line_and_its_numbers_are_whole() {
    let scene = Scene::with_commit();
    let start = scene.commit().await.unwrap();
    scene.write("large", &"é and more of it\n".repeat(40_000));
    let changes = scene.changes(&start).await;
    assert_eq!((counts(&changes), changes.is_truncated), ([1, 40_000, 0], true));
    let diff = changes.diff.unwrap();
    assert!(diff.len() <= MAX_DIFF_BYTES && diff.len() > MAX_DIFF_BYTES - 100, "{}", diff.len());
    assert!(diff.ends_with("+é and more of it\n"));
    // A single line that is too long.
    scene.write("large", &"x".repeat(MAX_DIFF_BYTES * 2));
    let changes = scene.changes(&start).await;
    assert!(changes.is_truncated && !changes.diff.unwrap().contains("xx"));
}

#[tokio::test]
async fn nothing_that_a_repository_names_is_run() {
    let scene = Scene::with_commit();
    let start = scene.commit().await.unwrap();
    let (script, proof) = scene.script_with_proof();
    let program = script.to_str().unwrap();
    // A repository within, whose state git would ask for by another process.
    let inner = scene.workspace.join("inner");
    fs::create_dir(&inner).unwrap();
    run_in(&inner, &["init", "--quiet"]);
    run_in(&inner, &["commit", "--quiet", "--allow-empty", "--message", "inner"]);
    let hash = run_in(&inner, &["rev-parse", "HEAD"]);
    let entry = format!("160000,{hash},inner");
    scene.run(&["update-index", "--add", "--cacheinfo", &entry]);
    for setting in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "diff.external",
        "diff.x.command",
        "diff.x.textconv",
        "filter.x.clean",
        "filter.x.process",
        "pager.diff",
        "remote.origin.uploadpack",
        "gpg.program",
    ] {
        scene.run(&["config", setting, program]);
    }
    scene.run(&["config", "remote.origin.url", scene.folder.to_str().unwrap()]);
    scene.run(&["config", "remote.origin.promisor", "true"]);
    scene.run(&["config", "filter.x.required", "true"]);
    scene.write(".gitattributes", "* filter=x diff=x\n");
    for hook in ["post-index-change", "pre-auto-gc", "reference-transaction", "fsmonitor-watchman"] {
        fs::copy(&script, scene.workspace.join(".git/hooks").join(hook)).unwrap();
    }
    run_in(&inner, &["config", "core.fsmonitor", program]);
    scene.write("first", "other\n");
    let _ = fs::remove_file(&proof);
    assert_eq!(scene.commit().await, Some(start.clone()));
    let changes = scene.changes(&start).await;
    assert!(changes.diff.unwrap().contains("+other\n"));
    assert!(!proof.exists(), "a program of the repository was run");
    let plain = Command::new("git").current_dir(&scene.workspace).args(["status", "--short"]).output();
    assert!(plain.is_ok() && proof.exists(), "git itself runs none of them");
}

#[tokio::test]
async fn a_repository_elsewhere_is_not_followed() {
    let other = Scene::with_commit();
    other.write("private", "the other project's\n");
    other.commit_all();
    let theirs = other.commit().await.unwrap();
    let scene = Scene::new();
    // A file and a link that lead to it.
    let git = scene.workspace.join(".git");
    fs::write(&git, format!("gitdir: {}\n", other.workspace.join(".git").display())).unwrap();
    assert_eq!(scene.commit().await, None);
    fs::remove_file(&git).unwrap();
    symlink(other.workspace.join(".git"), &git).unwrap();
    assert_eq!(scene.commit().await, None);
    fs::remove_file(&git).unwrap();
    // Its commits, borrowed.
    scene.run(&["init", "--quiet"]);
    let objects = other.workspace.join(".git/objects");
    fs::write(git.join("objects/info/alternates"), format!("{}\n", objects.display())).unwrap();
    fs::write(git.join("HEAD"), format!("{theirs}\n")).unwrap();
    let refused = scene.try_changes(&theirs).await.unwrap_err().to_string();
    assert!(refused.contains("borrows"), "{refused}");
    fs::remove_file(git.join("objects/info/alternates")).unwrap();
    // The folder of another workspace as its own, by a setting.
    scene.run(&["config", "core.worktree", other.workspace.to_str().unwrap()]);
    scene.write("own", "x\n");
    let refused = scene.try_changes(&theirs).await.unwrap_err().to_string();
    assert!(refused.starts_with("git failed: "), "{refused}");
}

#[tokio::test]
async fn damaged_repositories_are_an_error_or_none_and_block_nothing() {
    let scene = Scene::with_commit();
    let start = scene.commit().await.unwrap();
    let git = scene.workspace.join(".git");
    let fifo = |path: &Path| {
        let _ = fs::remove_file(path);
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    fifo(&git.join("index"));
    assert_eq!(counts(&scene.changes(&start).await), [0, 0, 0]);
    fs::remove_file(git.join("index")).unwrap();
    fs::write(git.join("index"), "garbage").unwrap();
    assert!(scene.try_changes(&start).await.unwrap_err().to_string().starts_with("git failed: "));
    fs::write(git.join("HEAD"), "garbage").unwrap();
    assert!(scene.git.commit(command_id(1), &scene.place()).await.is_err());
    fifo(&git.join("HEAD"));
    assert_eq!(scene.commit().await, None);
    fs::remove_dir_all(&git).unwrap();
    assert!(scene.try_changes(&start).await.is_err());
    // Without git itself.
    let scene = Scene::with_commit();
    let git = open(&scene.folder, &scene.workspace, "/nowhere".to_owned());
    let error = git.commit(command_id(1), &scene.place()).await.unwrap_err();
    assert_eq!(error.to_string(), "git was not found on PATH");
}
