//! The version control of workspaces in pods, with the real git.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rdev_runner_domain::ports::{PodRepository, VersionControl};
use rdev_runner_domain::{ExecSpec, RunName, Workspace, Worktree, WorktreeRequest};
use rdev_runner_exec_kubernetes::PodVersionControl;
use rdev_runner_exec_local::LocalGit;
use rdev_runner_testkit::exec::{ExecHarness, spec, start_as};
use rdev_runner_testkit::{ClusterOptions, command_id};

use crate::Scene;

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=n", "-c", "user.email=n@example.com"]);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Scene {
    /// A cluster whose connections break, with a repository in the pod that has a commit.
    fn with_repository() -> Self {
        let scene = Self::new(ClusterOptions { drop_seed: Some(17), ..ClusterOptions::default() });
        git(&scene.workspace, &["init", "--quiet"]);
        fs::write(scene.workspace.join("first"), "one\n").unwrap();
        git(&scene.workspace, &["add", "--all"]);
        git(&scene.workspace, &["commit", "--quiet", "--message", "first"]);
        scene
    }

    /// Returns the version control of a runner on a host of its own.
    fn version_control(&self, host: &str) -> PodVersionControl {
        let folder = self.cluster.root().join(host);
        fs::create_dir_all(&folder).unwrap();
        let beside = LocalGit::open(&folder, &folder, std::env::var("PATH").unwrap()).unwrap();
        PodVersionControl::new(self.kubernetes(host, self.settings()), Arc::new(beside))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_changes_of_a_workspace_in_a_pod_are_found() {
    let scene = Scene::with_repository();
    let head = git(&scene.workspace, &["rev-parse", "HEAD"]);
    let (first, other) = (scene.version_control("one"), scene.version_control("two"));
    let since = first.commit(command_id(1), &scene.workspace()).await.unwrap().expect("a commit");
    assert_eq!(since.as_str(), head);
    fs::write(scene.workspace.join("first"), "one\ntwo\n").unwrap();
    fs::write(scene.workspace.join("new"), "x\n".repeat(200_000)).unwrap();
    // Any runner finds them.
    let changes = other.changes(command_id(1), &scene.workspace(), &since).await.unwrap();
    assert_eq!((changes.files, changes.insertions, changes.deletions), (2, 200_001, 0));
    assert!(changes.is_truncated && changes.diff.unwrap().contains("+two\n"));
    assert_eq!(changes.commit, since);
    // A folder that is no repository.
    fs::remove_dir_all(scene.workspace.join(".git")).unwrap();
    let gone = first.changes(command_id(1), &scene.workspace(), &since).await.unwrap_err();
    assert!(gone.to_string().contains("no git repository any more"), "{gone}");
    assert_eq!(first.commit(command_id(1), &scene.workspace()).await, Ok(None));
    assert_eq!(scene.store.pod_runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_changes_of_a_run_are_asked_of_its_pod_alone() {
    let scene = Scene::with_repository();
    let (first, other) = (scene.version_control("one"), scene.version_control("two"));
    let run = command_id(1);
    let since = first.commit(run, &scene.workspace()).await.unwrap().expect("a commit");
    // The selector finds no pod, or another one, now.
    let elsewhere = Workspace::Kubernetes(scene.place("none"));
    assert_eq!(other.changes(run, &elsewhere, &since).await.unwrap().files, 0);
    scene.cluster.order("replace agent");
    for version_control in [first, other] {
        let gone = version_control.changes(run, &scene.workspace(), &since).await.unwrap_err();
        assert!(gone.to_string().contains("the pod default/agent is gone"), "{gone}");
        version_control.remove_worktree(run).await.unwrap();
    }
    assert_eq!(scene.store.pod_runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_in_a_pod_has_a_worktree_that_every_runner_finds() {
    let scene = Scene::with_repository();
    let (first, other) = (scene.version_control("one"), scene.version_control("two"));
    let command = command_id(1);
    let request = WorktreeRequest { workspace: scene.workspace(), run: command, name: command, base: None };
    let opened = first.open_worktree(&request).await.unwrap().expect("a repository");
    let Worktree { workspace, branch, start } = &opened;
    assert_eq!(
        (branch, start.as_str()),
        (&format!("rdev/{command}"), &*git(&scene.workspace, &["rev-parse", "HEAD"]))
    );
    let Workspace::Kubernetes(place) = workspace else { panic!("{workspace:?}") };
    assert!(place.path.as_str().contains("/.rdev/worktrees/"), "{place:?}");
    let spec = ExecSpec { workspace: workspace.clone(), ..spec(&scene, "echo two >>first; echo x >new") };
    let run = start_as(&scene, RunName::from(command).as_str(), &spec).await;
    assert_eq!(run.end().await.exit_code, Some(0));
    assert_eq!(run.backend.runs().await.unwrap(), std::slice::from_ref(&run.name));
    // Its runner dies.
    assert_eq!(other.worktrees().await, [command]);
    assert_eq!(other.worktree(command, &scene.workspace()).await.as_ref(), Some(&opened));
    assert_eq!(other.save_worktree(command).await.unwrap().as_ref(), Some(branch));
    let changes = other.changes(command, workspace, start).await.unwrap();
    assert_eq!((changes.files, changes.insertions), (2, 2));
    for _ in 0..2 {
        other.remove_worktree(command).await.unwrap();
    }
    assert_eq!((other.worktrees().await, first.worktrees().await), (Vec::new(), Vec::new()));
    assert!(!Path::new(place.path.as_str()).exists());
    assert_eq!(git(&scene.workspace, &["show", &format!("{branch}:first")]), "one\ntwo");
    assert_eq!(git(&scene.workspace, &["status", "--porcelain"]), "");
    assert_eq!(git(&scene.workspace, &["worktree", "list"]).lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worktrees_are_opened_at_once_by_several_runners() {
    let scene = Scene::with_repository();
    let runners = ["one", "two", "three"].map(|host| scene.version_control(host));
    let open = async |n: u8| {
        let (run, workspace) = (command_id(n), scene.workspace());
        let request = WorktreeRequest { workspace, run, name: run, base: None };
        runners[usize::from(n) - 1].open_worktree(&request).await.unwrap().expect("a repository").branch
    };
    let (first, second, third) = tokio::join!(open(1), open(2), open(3));
    let branches = [first, second, third];
    assert_eq!(branches, [1, 2, 3].map(|n| format!("rdev/{}", command_id(n))));
    assert_eq!(git(&scene.workspace, &["worktree", "list"]).lines().count(), 4);
    for n in 1..=3 {
        runners[0].remove_worktree(command_id(n)).await.unwrap();
    }
    assert_eq!(git(&scene.workspace, &["for-each-ref", "refs/heads/rdev"]), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_without_a_repository_has_no_worktree() {
    let scene = Scene::new(ClusterOptions::default());
    let version_control = scene.version_control("one");
    let command = command_id(1);
    let request = WorktreeRequest { workspace: scene.workspace(), run: command, name: command, base: None };
    assert_eq!(version_control.open_worktree(&request).await, Ok(None));
    assert_eq!(version_control.save_worktree(command).await, Ok(None));
    assert_eq!(scene.store.pod_runs().await.unwrap(), []);
    let missing = scene.place("none");
    let request = WorktreeRequest { workspace: Workspace::Kubernetes(missing), ..request };
    let refused = version_control.open_worktree(&request).await.unwrap_err();
    assert!(refused.to_string().contains("matches app=none"), "{refused}");
}
