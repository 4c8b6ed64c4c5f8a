//! The folders of runs and homes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rdev_runner_domain::ExecState;
use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand};
use rdev_runner_testkit::exec::{ExecHarness, spec, start_as};

use crate::Scene;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn all_folders_are_private_and_no_document_has_a_secret() {
    let scene = Scene::new();
    let mut spec = spec(&scene, "cat");
    spec.env.insert("SECRET".to_owned(), "sk-secret".into());
    spec.input = "sk-secret in the prompt".to_owned();
    let run = start_as(&scene, "one", &spec).await;
    run.output_with("prompt").await;
    let folder = scene.folder("one");
    for private in
        [&scene.root, &scene.root.join("homes"), &scene.root.join("runs"), &folder, &folder.join("tmp")]
    {
        assert_eq!(mode(private), 0o700, "{}", private.display());
    }
    run.close().await;
    run.end().await;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "json") {
            assert!(!fs::read_to_string(&path).unwrap().contains("sk-secret"), "{}", path.display());
        }
    }
    assert!(!folder.join("tmp").exists() && !folder.join("input").exists());
}

#[tokio::test]
async fn a_home_has_the_sign_in_of_the_agent_home() {
    let scene = Scene::new();
    let agent_home = scene.workspace.join("agent-home");
    fs::create_dir_all(agent_home.join(".agent")).unwrap();
    fs::write(agent_home.join(".agent/key"), "signed in").unwrap();
    fs::write(agent_home.join("diary"), "private").unwrap();
    let settings = LocalSettings { agent_home: Some(agent_home), ..scene.settings() };
    let backend = LocalBackend::new(settings).unwrap();
    let mut spec = spec(&scene, "cat \"$HOME/.agent/key\"; ls -A \"$HOME\"");
    spec.sign_in = &[".agent/key", ".agent/other"];
    let run = "one".parse().unwrap();
    backend.start(&run, &spec).await.unwrap();
    backend.wait(&run).await.unwrap();
    let output = backend.tail_output(&run, rdev_runner_domain::OutputStream::Stdout, 1_000).await.unwrap();
    assert_eq!(output, b"signed in.agent\n");
}

#[tokio::test]
async fn a_relative_root_is_made_absolute() {
    let scene = Scene::new();
    // The way from the working directory to the root of the file system, and on to the scene.
    let up: PathBuf = std::env::current_dir().unwrap().iter().skip(1).map(|_| "..").collect();
    let root = up.join(scene.root.strip_prefix("/").unwrap());
    let backend = LocalBackend::new(LocalSettings { root, ..scene.settings() }).unwrap();
    let run = "one".parse().unwrap();
    let script = "echo kept > \"$HOME/file\" && echo x > \"$TMPDIR/file\"";
    backend.start(&run, &spec(&scene, script)).await.unwrap();
    let ExecState::Ended(end) = backend.wait(&run).await.unwrap() else { panic!("it has not ended") };
    assert_eq!(end.exit_code, Some(0));
    assert_eq!(fs::read_dir(scene.root.join("homes")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_supervisor_that_does_not_start_leaves_no_folder() {
    let scene = Scene::new();
    for program in ["/bin/false", "/no/supervisor"] {
        let supervisor = SupervisorCommand { program: program.into(), args: Vec::new() };
        let backend = LocalBackend::new(LocalSettings { supervisor, ..scene.settings() }).unwrap();
        let failed = backend.start(&"one".parse().unwrap(), &spec(&scene, "true")).await;
        assert!(matches!(failed, Err(ExecError::Host { .. })), "{failed:?}");
        assert!(!scene.folder("one").exists());
    }
}

#[tokio::test]
async fn a_folder_whose_run_never_began_can_be_removed() {
    let scene = Scene::new();
    let backend = scene.backend();
    fs::create_dir(scene.folder("one")).unwrap();
    let run = "one".parse().unwrap();
    let unknown = backend.status(&run).await;
    assert!(matches!(unknown, Err(ExecError::UnknownRun(_))), "{unknown:?}");
    backend.remove(&run).await.unwrap();
    assert!(!scene.folder("one").exists());
}
