//! What a run has changed in its workspace.

use std::sync::Arc;

use rdev_app::Ambient;
use rdev_runner_app::{DemoAgent, RunnerHost, RunnerOptions, Workspaces};
use rdev_runner_domain::{
    AgentEventKind, AgentResult, CommandId, CommandStatus, FailureReason, Outcome, Project, Workspace,
};
use rdev_runner_testkit::project;
use tokio_util::sync::CancellationToken;

use super::agent::{ScriptedAgent, World, result};
use super::scene::{PROJECT, RunnerTask, Scene, command, registry};
use super::version_control::{NAME, Repository, commit};

const EVENTS: usize = 2_000;

fn script(_: CommandId, number: usize) -> Option<AgentEventKind> {
    (number < EVENTS).then(|| AgentEventKind::Message { text: number.to_string(), parent: None })
}

fn agent(world: &World) -> ScriptedAgent {
    ScriptedAgent::new(script, result(Outcome::Completed, "Done."), world)
}

#[tokio::test]
async fn the_changes_of_a_run_are_in_its_result_without_secrets() {
    let world = World::default();
    let (mut scene, _, _) = Scene::in_memory(registry(agent(&world))).await;
    scene.allow_secrets(&[NAME]);
    scene.ports.version_control = Some(Arc::new(Repository::default()));
    let mut draft = command(1, "Hello.");
    draft.secrets = [NAME.parse().unwrap()].into();
    let id = scene.add(draft).await;
    let runner = scene.start();
    let AgentResult { changes, .. } = scene.ended(id).await.result.unwrap();
    let changes = changes.unwrap();
    assert_eq!((changes.commit, changes.files), (commit(0), 1));
    assert_eq!(changes.diff.as_deref(), Some("+key=[redacted]\n"));
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn a_runner_that_takes_over_knows_the_commit_of_the_beginning() {
    let (world, folder) = (World::default(), tempfile::tempdir().unwrap());
    let (mut scene, _, _) = Scene::in_memory(registry(agent(&world))).await;
    scene.ports.version_control = Some(Arc::new(Repository::default()));
    let entropy = Ambient::system().entropy;
    let options = async || RunnerOptions::new(RunnerHost::exclusive(folder.path(), &*entropy).await.unwrap());
    let first = tokio::spawn(scene.runner(options().await).run(CancellationToken::new()));
    let id = scene.add(command(1, "Hello.")).await;
    scene.until(id, |command| command.last_seq > 10).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(scene.get(id).await.last_seq < EVENTS as u64, "the run had ended before");
    let second = RunnerTask::start(scene.runner(options().await));
    let ended = scene.ended(id).await;
    assert_eq!(ended.result.unwrap().changes.unwrap().commit, commit(0));
    assert_eq!(scene.events(id).await.len(), EVENTS);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_changes_are_a_warning() {
    let world = World::default();
    let (mut scene, _, _) = Scene::in_memory(registry(agent(&world))).await;
    scene.ports.version_control = Some(Arc::new(Repository { fails: true, ..Repository::default() }));
    let id = scene.add(command(1, "Hello.")).await;
    let runner = scene.start();
    let ended = scene.ended(id).await;
    assert_eq!((ended.state.status(), ended.result.unwrap().changes), (CommandStatus::Completed, None));
    let last = scene.events(id).await.pop().unwrap().kind;
    let message = "the changes of the workspace are unknown: git is ill".to_owned();
    assert_eq!(last, AgentEventKind::Warning { message });
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn a_workspace_that_has_become_unsafe_starts_no_agent() {
    let folder = tempfile::tempdir().unwrap();
    let workspaces = Workspaces::open(&folder.path().join("root")).unwrap();
    let workspaces = Arc::new(workspaces.with_data_dir(folder.path()).unwrap());
    let agents = registry(DemoAgent::new("claude".parse().unwrap()));
    let (mut scene, _, _) = Scene::in_memory(agents).await;
    let own = workspaces.root().join("own");
    std::fs::create_dir(&own).unwrap();
    // A folder elsewhere, which contains the data of the server.
    let above = folder.path().canonicalize().unwrap();
    for (name, path) in [("below", &own), ("above", &above)] {
        let plain = project(name);
        let workspace = Workspace::Local { path: path.to_str().unwrap().parse().unwrap() };
        let settings = rdev_runner_domain::ProjectSettings { workspace, ..plain.settings().clone() };
        let project = Project::new(plain.name, settings, plain.created_at).unwrap();
        assert!(scene.ports.projects.create(&project).await.unwrap());
    }
    scene.ports.workspaces = Some(workspaces);
    let runner = scene.start();
    let run = async |n: u16, project: &str| {
        let mut draft = command(n, "Hello.");
        draft.project = project.parse().unwrap();
        scene.ended(scene.add(draft).await).await
    };
    assert_eq!(run(1, "below").await.state.status(), CommandStatus::Completed);
    std::fs::remove_dir(&own).unwrap();
    std::os::unix::fs::symlink("/etc", &own).unwrap();
    let refused = run(2, "below").await;
    assert_eq!(refused.state.outcome(), Some(Outcome::Failed(FailureReason::StartFailed)));
    let detail = refused.result.unwrap().detail.unwrap();
    assert!(detail.contains("must not contain a symbolic link"), "{detail}");
    std::fs::remove_file(&own).unwrap();
    let detail = run(3, "below").await.result.unwrap().detail.unwrap();
    assert!(detail.contains("must be a folder that exists"), "{detail}");
    // The folder of other tests does not exist either.
    assert_eq!(run(4, PROJECT).await.state.status(), CommandStatus::Failed);
    let ended = run(5, "above").await;
    assert_eq!(ended.state.status(), CommandStatus::Completed);
    let warnings = scene.events(ended.id).await.into_iter().filter_map(|event| match event.kind {
        AgentEventKind::Warning { message } => Some(message),
        _ => None,
    });
    let warnings: Vec<_> = warnings.collect();
    assert!(matches!(&warnings[..], [only] if only.contains("the agent can read")), "{warnings:?}");
    runner.stop().await.unwrap();
}
