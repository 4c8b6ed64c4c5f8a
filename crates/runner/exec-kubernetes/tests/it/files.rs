//! The files of workspaces in pods: the rules of local workspaces, whatever becomes of the connection.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_runner_domain::ports::WorkspaceFiles;
use rdev_runner_domain::{FileState, PodWorkspace, RenderedFile, Rendering, TemplateError, Workspace};
use rdev_runner_exec_kubernetes::{KubernetesSettings, PodFiles};
use rdev_runner_files::LocalFiles;
use rdev_runner_testkit::ClusterOptions;
use rdev_runner_testkit::exec::ExecHarness;

use crate::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

const BREAKING: ClusterOptions =
    ClusterOptions { pods: &["agent"], protocol: "v5", is_secure: false, drop_seed: Some(23) };

impl Scene {
    fn files(&self) -> PodFiles {
        self.files_within(self.settings(), PATIENCE)
    }

    fn files_within(&self, settings: KubernetesSettings, patience: Duration) -> PodFiles {
        let beside = LocalFiles::new(self.cluster.root().join("workspaces"));
        PodFiles::new(self.kubernetes("local", settings), Arc::new(beside), patience)
    }

    /// Returns a folder beside the workspace, in the pod, that no write to the workspace may touch.
    fn neighbour(&self) -> PathBuf {
        let neighbour = self.workspace.with_file_name("neighbour");
        fs::create_dir_all(&neighbour).unwrap();
        fs::write(neighbour.join("secret"), "untouched").unwrap();
        neighbour
    }
}

fn rendering(files: &[(&str, &str)]) -> Rendering {
    let file = |(path, content): &(&str, &str)| RenderedFile {
        path: path.parse().unwrap(),
        content: (*content).to_owned(),
    };
    Rendering { files: files.iter().map(file).collect(), warnings: Vec::new() }
}

const FILES: &[(&str, &str)] = &[("README.md", "Read me.\n"), ("src/deep/main.rs", "fn main() {}\n")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_written_into_a_pod() {
    let scene = Scene::new(BREAKING);
    let (files, workspace, template) = (scene.files(), scene.workspace(), rendering(FILES));
    assert_eq!(files.states(&workspace, &template).await.unwrap(), [FileState::New; 2]);
    assert_eq!(fs::read_dir(&scene.workspace).unwrap().count(), 0, "a look writes nothing");
    assert_eq!(files.write(&workspace, &template, false).await.unwrap(), [FileState::New; 2]);
    for (path, content) in FILES {
        assert_eq!(fs::read_to_string(scene.workspace.join(path)).unwrap(), *content);
    }
    assert_eq!(files.write(&workspace, &template, false).await.unwrap(), [FileState::Unchanged; 2]);

    fs::write(scene.workspace.join("README.md"), "Mine.").unwrap();
    let states = [FileState::Changed, FileState::Unchanged];
    assert_eq!(files.states(&workspace, &template).await.unwrap(), states);
    let error = files.write(&workspace, &template, false).await.unwrap_err();
    assert_eq!(error.to_string(), "these files exist with other content: README.md");
    assert_eq!(fs::read_to_string(scene.workspace.join("README.md")).unwrap(), "Mine.");
    assert_eq!(files.write(&workspace, &template, true).await.unwrap(), states);
    assert_eq!(fs::read_to_string(scene.workspace.join("README.md")).unwrap(), "Read me.\n");
    assert_eq!(fs::read_dir(&scene.workspace).unwrap().count(), 2, "the staging folder is removed");
    // No content is in a URL.
    assert!(!scene.cluster.requests().contains("main.rs"));

    // The most that a template may have.
    let (paths, content) =
        ((0..256).map(|number| format!("many/{number}")).collect::<Vec<_>>(), "x".repeat(8 * 1024));
    let many = rendering(&paths.iter().map(|path| (path.as_str(), content.as_str())).collect::<Vec<_>>());
    assert_eq!(files.write(&workspace, &many, false).await.unwrap(), [FileState::New; 256]);
    // Those of this host are beside it.
    let local =
        Workspace::Local { path: scene.cluster.root().join("other").to_str().unwrap().parse().unwrap() };
    fs::create_dir(scene.cluster.root().join("other")).unwrap();
    files.write(&local, &template, false).await.unwrap();
    assert!(scene.cluster.root().join("other/README.md").exists());
}

/// What is done to a workspace before a template is written.
type Hostility = fn(workspace: &Path, neighbour: &Path);

const HOSTILE: &[(&str, Hostility)] = &[
    ("a link in the place of a file", |workspace, neighbour| {
        symlink(neighbour.join("secret"), workspace.join("README.md")).unwrap();
    }),
    ("a link to nothing", |workspace, _| symlink("nowhere", workspace.join("README.md")).unwrap()),
    ("a link on the way", |workspace, neighbour| symlink(neighbour, workspace.join("src")).unwrap()),
    ("a relative link deeper on the way", |workspace, _| {
        fs::create_dir(workspace.join("src")).unwrap();
        symlink("../../neighbour", workspace.join("src/deep")).unwrap();
    }),
    ("a file on the way", |workspace, _| fs::write(workspace.join("src"), "").unwrap()),
    ("a folder in the place of a file", |workspace, _| fs::create_dir(workspace.join("README.md")).unwrap()),
    ("a file that is changed", |workspace, _| fs::write(workspace.join("README.md"), "Mine.").unwrap()),
    ("a link in the place of the staging folder", |workspace, neighbour| {
        symlink(neighbour, workspace.join(".rdev-template")).unwrap();
    }),
    ("a journal that is none", |workspace, _| {
        fs::create_dir(workspace.join(".rdev-template")).unwrap();
        fs::write(workspace.join(".rdev-template/journal.json"), "garbage").unwrap();
    }),
    ("a journal of a stranger", |workspace, _| {
        fs::create_dir(workspace.join(".rdev-template")).unwrap();
        let journal = r#"{"folders":["../neighbour"],"files":[{"path":"../neighbour/secret","staged":"0",
                         "replaces":false,"device":1,"inode":1}]}"#;
        fs::write(workspace.join(".rdev-template/journal.json"), journal).unwrap();
    }),
    ("no workspace", |workspace, _| fs::remove_dir(workspace).unwrap()),
    ("a file in the place of the workspace", |workspace, _| {
        fs::remove_dir(workspace).unwrap();
        fs::write(workspace, "").unwrap();
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_workspace_in_a_pod_is_refused_as_one_of_this_host() {
    let scene = Scene::new(ClusterOptions::default());
    let template = rendering(FILES);
    for (number, (what, hostility)) in HOSTILE.iter().enumerate() {
        let folder = |place: &str| scene.cluster.folder("agent").join(format!("{place}-{number}"));
        let [in_pod, here] = ["pod", "host"].map(|place| {
            let (workspace, neighbour) = (folder(place).join("workspace"), folder(place).join("neighbour"));
            fs::create_dir_all(&workspace).unwrap();
            fs::create_dir(&neighbour).unwrap();
            fs::write(neighbour.join("secret"), "untouched").unwrap();
            hostility(&workspace, &neighbour);
            workspace
        });
        let path = |folder: &Path| folder.to_str().unwrap().parse().unwrap();
        let pod = Workspace::Kubernetes(PodWorkspace { path: path(&in_pod), ..scene.place("agent") });
        let host = Workspace::Local { path: path(&here) };
        let files = scene.files();
        let shown = |result: Result<Vec<FileState>, TemplateError>| {
            format!("{result:?}").replace(&format!("pod-{number}"), "").replace(&format!("host-{number}"), "")
        };
        for overwrites in [false, true] {
            let (there, beside) = (files.states(&pod, &template).await, files.states(&host, &template).await);
            assert_eq!(shown(there), shown(beside), "{what}");
            let there = files.write(&pod, &template, overwrites).await;
            assert!(there.is_err() || *what == "a journal of a stranger" || overwrites, "{what}: {there:?}");
            let beside = files.write(&host, &template, overwrites).await;
            assert_eq!(shown(there), shown(beside), "{what}");
            for place in ["pod", "host"] {
                let neighbour = folder(place).join("neighbour");
                assert_eq!(fs::read_to_string(neighbour.join("secret")).unwrap(), "untouched", "{what}");
                assert_eq!(fs::read_dir(neighbour).unwrap().count(), 1, "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_symbolic_links_never_leaves_the_workspace_in_a_pod() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let scene = Scene::new(ClusterOptions::default());
    let (files, workspace, neighbour) = (scene.files(), scene.workspace(), scene.neighbour());
    let (src, link) = (scene.workspace.join("src"), scene.workspace.join("link"));
    fs::create_dir(&src).unwrap();
    symlink(&neighbour, &link).unwrap();
    files.states(&workspace, &rendering(&[("other", "")])).await.unwrap();
    let stops = Arc::new(AtomicBool::new(false));
    let race = std::thread::spawn({
        let stops = Arc::clone(&stops);
        move || {
            while !stops.load(Ordering::Relaxed) {
                renameat_with(CWD, &src, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        }
    });
    let mut refused = 0;
    for round in 0..300 {
        // The file that the link points to, and one that would be new beside it.
        let new = format!("src/{round}/new");
        let template = rendering(&[("src/secret", &round.to_string()), (&new, "new")]);
        refused += usize::from(files.write(&workspace, &template, true).await.is_err());
    }
    stops.store(true, Ordering::Relaxed);
    race.join().unwrap();
    assert!(refused > 0, "the race took place");
    assert_eq!(fs::read_to_string(neighbour.join("secret")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(neighbour).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_takes_effect_once_and_as_a_whole_whatever_ends_in_the_middle() {
    let scene = Scene::new(ClusterOptions::default());
    let (files, workspace) = (Arc::new(scene.files()), scene.workspace());
    let paths: Vec<_> = (0..24).map(|number| format!("folder-{}/file-{number}", number % 5)).collect();
    let version =
        |content: &str| rendering(&paths.iter().map(|path| (path.as_str(), content)).collect::<Vec<_>>());
    files.write(&workspace, &version("first"), false).await.unwrap();
    for round in 0..24_u32 {
        let write = tokio::spawn({
            let (files, workspace, version) =
                (Arc::clone(&files), workspace.clone(), version(&round.to_string()));
            async move { files.write(&workspace, &version, true).await }
        });
        // Some of them meet the request, some the journal and the renames.
        while round % 3 > 0
            && !scene.workspace.join(".rdev-template/journal.json").exists()
            && !write.is_finished()
        {
            tokio::task::yield_now().await;
        }
        // All processes of the pod are killed, or the connections are cut and the supervisor goes on.
        scene.cluster.order(if round % 2 == 0 { "kill agent" } else { "drop" });
        let states: BTreeSet<_> = write.await.unwrap().unwrap().into_iter().collect();
        assert_eq!(states.len(), 1, "{states:?}");
        let contents: BTreeSet<_> =
            paths.iter().map(|path| fs::read_to_string(scene.workspace.join(path)).unwrap()).collect();
        assert_eq!(contents, BTreeSet::from([round.to_string()]));
        assert!(!scene.workspace.join(".rdev-template").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_cannot_be_reached_is_named() {
    let options = ClusterOptions { pods: &["agent", "pending", "forbidden"], ..ClusterOptions::default() };
    let scene = Scene::new(options);
    let template = rendering(FILES);
    let files = scene.files_within(scene.settings(), Duration::ZERO);
    let other = PodWorkspace { container: "third".parse().unwrap(), ..scene.place("agent") };
    for (place, expected) in [
        (scene.place("none"), "no pod of the namespace default matches app=none"),
        (scene.place("pending"), "pod default/pending does not run: ContainerCreating"),
        (scene.place("forbidden"), "the account cannot"),
        (other, "has no container third; it has main, other"),
    ] {
        let place = Workspace::Kubernetes(place);
        for error in [
            files.states(&place, &template).await.unwrap_err(),
            files.write(&place, &template, true).await.unwrap_err(),
        ] {
            assert!(matches!(error, TemplateError::Unreachable(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    let gone = scene.settings().kubeconfig.map(|path| path.with_file_name("missing"));
    let none =
        scene.files_within(KubernetesSettings { kubeconfig: gone, ..scene.settings() }, Duration::ZERO);
    let error = none.write(&scene.workspace(), &template, true).await.unwrap_err();
    assert!(
        matches!(error, TemplateError::Unreachable(_)) && error.to_string().contains("--kubeconfig"),
        "{error}"
    );
    assert_eq!(fs::read_dir(&scene.workspace).unwrap().count(), 0);
}
