//! The worktrees of runs.

use rdev_runner_domain::{CommandId, Timestamp, Worktree, WorktreeRequest};

use super::*;

fn command(n: u8) -> CommandId {
    CommandId::from_parts(Timestamp::from_millis(1_736_937_000_000), [n; 10])
}

/// A worktree of a run.
struct Opened {
    worktree: Worktree,
    folder: PathBuf,
    run: CommandId,
}

impl Opened {
    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        run_in(&self.folder, args)
    }
}

impl Scene {
    fn request(&self, n: u8) -> WorktreeRequest {
        WorktreeRequest { workspace: self.place(), run: command(n), name: command(n), base: None }
    }

    async fn try_open(&self, request: &WorktreeRequest) -> Result<Option<Opened>, VersionControlError> {
        let Some(worktree) = self.git.open_worktree(request).await? else { return Ok(None) };
        assert_eq!(self.git.worktree(request.run, &self.place()).await.as_ref(), Some(&worktree));
        let Workspace::Local { path } = &worktree.workspace else { panic!("{worktree:?}") };
        Ok(Some(Opened { folder: path.as_str().into(), run: request.run, worktree }))
    }

    async fn open(&self, n: u8) -> Opened {
        self.try_open(&self.request(n)).await.unwrap().unwrap()
    }

    async fn changes_of(&self, opened: &Opened, since: &CommitHash) -> WorkspaceChanges {
        self.git.changes(command_id(1), &opened.worktree.workspace, since).await.unwrap()
    }

    async fn remove(&self, opened: &Opened) {
        self.git.remove_worktree(opened.run).await.unwrap();
        self.nothing_is_left(opened.run).await;
    }

    async fn nothing_is_left(&self, run: CommandId) {
        assert_eq!(self.git.worktree(run, &self.place()).await, None);
        assert!(!self.git.worktrees().await.contains(&run));
        let left = fs::read_dir(self.folder.join("worktrees")).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert!(left.iter().all(|name| !name.contains(&run.to_string())), "{left:?}");
        let known = self.run(&["worktree", "list", "--porcelain"]);
        assert!(!known.contains(&run.to_string()), "{known}");
    }

    fn branches(&self) -> Vec<String> {
        let listed = self.run(&["for-each-ref", "--format=%(refname:short)", "refs/heads/rdev"]);
        listed.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn runs_have_worktrees_of_their_own_whose_work_stays_on_branches() {
    let scene = Scene::with_commit();
    let (start, before) = (scene.commit().await.unwrap(), scene.run(&["branch", "--show-current"]));
    scene.write("first", "what the user is doing\n");
    let (one, two) = (scene.open(1).await, scene.open(2).await);
    assert_ne!(one.folder, two.folder);
    assert_eq!(one.folder.file_name(), scene.workspace.file_name());
    assert_eq!((&*one.read("first"), &*one.git(&["status", "--porcelain"])), ("one\ntwo\n", ""));
    assert_eq!(one.git(&["branch", "--show-current"]), one.worktree.branch);
    assert_eq!(scene.git.commit(command_id(1), &one.worktree.workspace).await.unwrap(), Some(start.clone()));
    one.write("first", "one\nthree\n");
    one.write("new", "four\n");
    two.write("two", "five\n");
    two.git(&["add", "two"]);
    two.git(&["commit", "--quiet", "--message", "the agent's own"]);
    assert_eq!(counts(&scene.changes_of(&one, &start).await), [2, 2, 1]);
    for _ in 0..2 {
        let saved = scene.git.save_worktree(one.run).await.unwrap();
        assert_eq!(saved.as_ref(), Some(&one.worktree.branch));
    }
    assert_eq!(one.git(&["status", "--porcelain"]), "");
    let changes = scene.changes_of(&one, &start).await;
    assert!(changes.diff.as_ref().unwrap().contains("+three") && !changes.diff.unwrap().contains("five"));
    assert_eq!(counts(&scene.changes_of(&two, &start).await), [1, 1, 0]);
    scene.remove(&one).await;
    scene.remove(&two).await;
    scene.git.remove_worktree(two.run).await.unwrap();
    assert_eq!(scene.branches(), [one.worktree.branch.clone(), two.worktree.branch.clone()]);
    let shown = |revision: String| scene.run(&["show", &revision]);
    assert_eq!(shown(format!("{}:new", one.worktree.branch)), "four");
    assert_eq!(
        scene.run(&["log", "--format=%an: %s", &one.worktree.branch, "-1"]),
        format!("rdev: Uncommitted work of {}", one.run)
    );
    assert_eq!(shown(format!("{}:two", two.worktree.branch)), "five");
    assert_eq!(scene.run(&["log", "--format=%s", &two.worktree.branch, "-1"]), "the agent's own");
    // The workspace is as it was.
    assert_eq!(fs::read_to_string(scene.workspace.join("first")).unwrap(), "what the user is doing\n");
    assert_eq!(scene.run(&["branch", "--show-current"]), before);
    assert_eq!(scene.commit().await, Some(start));
    assert_eq!(scene.run(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn a_run_that_changes_nothing_leaves_no_branch() {
    let scene = Scene::with_commit();
    scene.write(".gitignore", "ignored\n");
    scene.commit_all();
    let opened = scene.open(1).await;
    opened.write("ignored", "x\n");
    assert_eq!(scene.git.save_worktree(opened.run).await.unwrap(), None);
    scene.remove(&opened).await;
    assert_eq!(scene.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_goes_on_with_its_files_and_a_fork_begins_with_them() {
    let scene = Scene::with_commit();
    let first = scene.open(1).await;
    first.write("first", "of the first run\n");
    scene.remove(&first).await;
    let resume = WorktreeRequest { run: command(2), ..scene.request(1) };
    let second = scene.try_open(&resume).await.unwrap().unwrap();
    assert_eq!((&second.folder, &second.worktree.branch), (&first.folder, &first.worktree.branch));
    assert_eq!(second.worktree.start.as_str(), scene.run(&["rev-parse", &first.worktree.branch]));
    assert_eq!(second.read("first"), "of the first run\n");
    // The next run comes before the worktree is removed, which the first run does not own any more.
    second.write("first", "of the second run\n");
    let third = WorktreeRequest { run: command(3), ..scene.request(1) };
    let third = scene.try_open(&third).await.unwrap().unwrap();
    scene.git.remove_worktree(second.run).await.unwrap();
    assert_eq!(
        (third.read("first"), third.git(&["status", "--porcelain"])),
        ("of the second run\n".to_owned(), String::new())
    );
    assert_eq!(third.worktree.start.as_str(), scene.run(&["rev-parse", &first.worktree.branch]));
    let fork = WorktreeRequest { base: Some(command(1)), ..scene.request(4) };
    let fork = scene.try_open(&fork).await.unwrap().unwrap();
    assert_eq!(fork.read("first"), "of the second run\n");
    assert_ne!(fork.folder, third.folder);
    scene.remove(&third).await;
    scene.remove(&fork).await;
    // The fork has nothing new; the session has.
    assert_eq!(scene.branches(), std::slice::from_ref(&first.worktree.branch));
    // What the user works on is not touched.
    scene.run(&["checkout", "--quiet", &first.worktree.branch]);
    let refused = scene.try_open(&resume).await.err().unwrap().to_string();
    assert!(refused.contains("is checked out elsewhere"), "{refused}");
    scene.nothing_is_left(command(2)).await;
}

#[tokio::test]
async fn a_folder_that_is_no_repository_has_no_worktree() {
    let scene = Scene::new();
    assert!(scene.try_open(&scene.request(1)).await.unwrap().is_none());
    scene.run(&["init", "--quiet"]);
    assert!(scene.try_open(&scene.request(1)).await.unwrap().is_none());
    scene.nothing_is_left(command(1)).await;
    scene.write("first", "one\n");
    scene.commit_all();
    fs::write(scene.workspace.join(".git/objects/info/alternates"), "/nowhere\n").unwrap();
    let refused = scene.try_open(&scene.request(1)).await.err().unwrap().to_string();
    assert!(refused.contains("borrows"), "{refused}");
    fs::remove_file(scene.workspace.join(".git/objects/info/alternates")).unwrap();
    // A link in place of git's own folder of worktrees.
    symlink(&scene.folder, scene.workspace.join(".git/worktrees")).unwrap();
    let refused = scene.try_open(&scene.request(1)).await.err().unwrap().to_string();
    assert!(refused.contains(".git/worktrees is no folder"), "{refused}");
    fs::remove_file(scene.workspace.join(".git/worktrees")).unwrap();
    scene.git.remove_worktree(command(1)).await.unwrap();
    scene.nothing_is_left(command(1)).await;
    assert_eq!(scene.branches(), Vec::<String>::new());
}

#[tokio::test]
async fn every_kind_of_change_is_saved() {
    let scene = Scene::with_commit();
    fs::create_dir(scene.workspace.join("folder")).unwrap();
    for name in ["folder/file", "gone", "staged"] {
        scene.write(name, "x\n");
    }
    scene.commit_all();
    let opened = scene.open(1).await;
    // A link in place of a folder, a folder in place of a file, an executable file, a name with a line break.
    fs::remove_dir_all(opened.folder.join("folder")).unwrap();
    symlink("/etc", opened.folder.join("folder")).unwrap();
    fs::remove_file(opened.folder.join("gone")).unwrap();
    fs::create_dir(opened.folder.join("gone")).unwrap();
    opened.write("gone/within", "y\n");
    opened.write("a\nb", "z\n");
    opened.write("script", "#!/bin/sh\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(opened.folder.join("script"), executable).unwrap();
    opened.write("staged", "staged\n");
    opened.git(&["add", "staged"]);
    fs::remove_file(opened.folder.join("staged")).unwrap();
    // A repository within is not a part of this one.
    fs::create_dir(opened.folder.join("inner")).unwrap();
    run_in(&opened.folder.join("inner"), &["init", "--quiet"]);
    scene.remove(&opened).await;
    let listed = scene.run(&["ls-tree", "-r", "-z", &opened.worktree.branch]);
    let listed: Vec<_> = listed.split('\0').filter_map(|line| line.split_once('\t')).collect();
    let kinds: Vec<_> = listed.iter().map(|(entry, path)| (&entry[..6], *path)).collect();
    let expected = [
        ("100644", "a\nb"),
        ("100644", "first"),
        ("120000", "folder"),
        ("100644", "gone/within"),
        ("100755", "script"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(scene.run(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn a_branch_has_all_whatever_the_agent_has_left_unfinished() {
    let scene = Scene::with_commit();
    let opened = scene.open(1).await;
    for (branch, from) in [("theirs", "HEAD"), ("ours", "HEAD~1")] {
        opened.git(&["checkout", "--quiet", "-b", branch, from]);
        opened.write("first", branch);
        opened.git(&["commit", "--quiet", "--all", "--message", branch]);
    }
    let ours = opened.git(&["rev-parse", "HEAD"]);
    let merge = Command::new("git").current_dir(&opened.folder).args(["merge", "theirs"]).output().unwrap();
    assert!(!merge.status.success());
    fs::remove_file(scene.workspace.join(".git/worktrees").join(opened.run.to_string()).join("index"))
        .unwrap();
    scene.remove(&opened).await;
    let branch = &opened.worktree.branch;
    assert_eq!(scene.run(&["rev-parse", &format!("{branch}~1"), "ours"]), format!("{ours}\n{ours}"));
    assert!(scene.run(&["show", &format!("{branch}:first")]).contains("<<<<<<<"));
}

#[tokio::test]
async fn what_cannot_be_saved_stays() {
    let scene = Scene::with_commit();
    let opened = scene.open(1).await;
    opened.write("new", "x\n");
    let objects = scene.workspace.join(".git/objects");
    fs::rename(&objects, scene.workspace.join(".git/away")).unwrap();
    let refused = scene.git.remove_worktree(opened.run).await.unwrap_err().to_string();
    assert!(refused.contains("has lost its repository"), "{refused}");
    assert_eq!(opened.read("new"), "x\n");
    fs::rename(scene.workspace.join(".git/away"), objects).unwrap();
    scene.remove(&opened).await;
    assert_eq!(scene.run(&["show", &format!("{}:new", opened.worktree.branch)]), "x");
}

#[tokio::test]
async fn nothing_that_a_repository_names_is_run_for_a_worktree() {
    let scene = Scene::with_commit();
    let (script, proof) = scene.script_with_proof();
    scene.write(".gitattributes", "* filter=x diff=x merge=x\n");
    scene.commit_all();
    let program = script.to_str().unwrap();
    for setting in ["core.fsmonitor", "filter.x.smudge", "filter.x.clean", "filter.x.process", "gpg.program"]
    {
        scene.run(&["config", setting, program]);
    }
    scene.run(&["config", "commit.gpgSign", "true"]);
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "pre-commit", "post-commit"] {
        fs::copy(&script, scene.workspace.join(".git/hooks").join(hook)).unwrap();
    }
    let _ = fs::remove_file(&proof);
    let opened = scene.open(1).await;
    opened.write("first", "other\n");
    opened.write("new", "new\n");
    scene.git.save_worktree(opened.run).await.unwrap();
    let start = scene.commit().await.unwrap();
    assert_eq!(counts(&scene.changes_of(&opened, &start).await), [2, 2, 2]);
    scene.git.remove_worktree(opened.run).await.unwrap();
    assert!(!proof.exists(), "a program of the repository was run");
    let plain = Command::new("git").current_dir(&scene.workspace).args(["status", "--short"]).output();
    assert!(plain.is_ok() && proof.exists(), "git itself runs none of them");
}

/// The next runner finds a worktree that its predecessor was making or using when it was killed.
#[tokio::test]
async fn the_worktree_of_a_killed_runner_is_found() {
    let mut scene = Scene::with_commit();
    let opened = scene.open(1).await;
    opened.write("new", "x\n");
    // A git that does not return from the checkout.
    let bin = scene.folder.join("bin");
    fs::create_dir(&bin).unwrap();
    let (path, reached) = (std::env::var("PATH").unwrap(), scene.folder.join("reached"));
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *checkout-index*) PATH='{path}' git \"$@\"; touch '{}'; exec sleep 1000 ;; esac\n\
         PATH='{path}' exec git \"$@\"\n",
        reached.display()
    );
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let slow = open(&scene.folder, &scene.workspace, format!("{}:{path}", bin.display()));
    let request = scene.request(2);
    let opening = tokio::spawn(async move { slow.open_worktree(&request).await });
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    while !reached.exists() {
        assert!(!opening.is_finished(), "the checkout returns");
        ticks.tick().await;
    }
    opening.abort();
    assert!(opening.await.unwrap_err().is_cancelled());
    scene.git = open(&scene.folder, &scene.workspace, path);
    let mut runs = scene.git.worktrees().await;
    runs.sort_unstable();
    assert_eq!(runs, [command(1), command(2)]);
    assert_eq!(scene.git.worktree(command(1), &scene.place()).await.as_ref(), Some(&opened.worktree));
    assert_eq!(scene.git.worktree(command(2), &scene.place()).await, None);
    for n in [1, 2] {
        scene.git.remove_worktree(command(n)).await.unwrap();
        scene.nothing_is_left(command(n)).await;
    }
    assert_eq!(scene.branches(), std::slice::from_ref(&opened.worktree.branch));
    assert_eq!(scene.run(&["show", &format!("{}:new", opened.worktree.branch)]), "x");
}

impl Scene {
    /// Returns the version control of another host, which shares the workspace.
    fn other_host(&self) -> LocalGit {
        let folder = self.folder.join("other");
        fs::create_dir(&folder).unwrap();
        open(&folder, &self.workspace, std::env::var("PATH").unwrap())
    }
}

fn folder_of(worktree: &Worktree) -> PathBuf {
    let Workspace::Local { path } = &worktree.workspace else { panic!("{worktree:?}") };
    path.as_str().into()
}

/// Its host died, and the command was returned to the queue.
#[tokio::test]
async fn a_run_that_has_not_begun_gets_a_worktree_on_another_host() {
    let scene = Scene::with_commit();
    let first = scene.open(1).await;
    scene.write("first", "one\ntwo\nthree\n");
    scene.commit_all();
    let other = scene.other_host();
    let second = other.open_worktree(&scene.request(1)).await.unwrap().unwrap();
    let folder = folder_of(&second);
    assert_eq!(fs::read_to_string(folder.join("first")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(second.start, scene.commit().await.unwrap());
    fs::write(folder.join("new"), "x\n").unwrap();
    // The first host is back: it touches nothing of the other's.
    scene.git.remove_worktree(first.run).await.unwrap();
    assert!(!first.folder.exists() && !scene.git.worktrees().await.contains(&first.run));
    assert_eq!(run_in(&folder, &["status", "--porcelain"]), "?? new");
    assert_eq!(other.save_worktree(first.run).await.unwrap().as_ref(), Some(&second.branch));
    other.remove_worktree(first.run).await.unwrap();
    scene.nothing_is_left(first.run).await;
    assert_eq!(scene.run(&["show", &format!("{}:new", second.branch)]), "x");
    assert_eq!(scene.run(&["fsck", "--strict", "--no-dangling"]), "");
}

#[tokio::test]
async fn the_work_of_a_session_goes_along_to_another_host() {
    let scene = Scene::with_commit();
    let first = scene.open(1).await;
    first.write("first", "of the first run\n");
    scene.remove(&first).await;
    let resume = |n| WorktreeRequest { run: command(n), ..scene.request(1) };
    let second = scene.try_open(&resume(2)).await.unwrap().unwrap();
    let other = scene.other_host();
    // Another run of the session does not take the worktree of one that may have begun.
    let refused = other.open_worktree(&resume(3)).await.unwrap_err().to_string();
    assert!(refused.contains("is checked out elsewhere"), "{refused}");
    let again = other.open_worktree(&resume(2)).await.unwrap().unwrap();
    let folder = folder_of(&again);
    assert_eq!(fs::read_to_string(folder.join("first")).unwrap(), "of the first run\n");
    // What is in no commit stays, although another host has the name.
    second.write("first", "work\n");
    let refused = scene.git.remove_worktree(second.run).await.unwrap_err().to_string();
    assert!(refused.contains("has work") && second.read("first") == "work\n", "{refused}");
    other.remove_worktree(second.run).await.unwrap();
    assert_eq!(scene.run(&["show", &format!("{}:first", again.branch)]), "of the first run");
}
