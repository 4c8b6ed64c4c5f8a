//! The worktrees of runs at the same time.

use std::sync::Arc;

use rdev_app::Ambient;
use rdev_runner_app::{DemoAgent, RunnerHost, RunnerOptions};
use rdev_runner_domain::{
    AgentEventKind, CommandId, CommandStatus, FailureReason, Outcome, RequestDraft, Session, WorktreeRequest,
};
use rdev_runner_testkit::project;
use tokio_util::sync::CancellationToken;

use super::agent::{ScriptedAgent, World, result};
use super::scene::{RunnerTask, Scene, command, id, registry};
use super::version_control::{Repository, worktree};

const EVENTS: usize = 2_000;

fn script(command: CommandId, number: usize) -> Option<AgentEventKind> {
    match number {
        0 => Some(AgentEventKind::SessionStarted {
            session: format!("ses_{command}").parse().unwrap(),
            model: None,
        }),
        _ => (number < EVENTS).then(|| AgentEventKind::Message { text: number.to_string(), parent: None }),
    }
}

async fn scene(world: &World, repository: Repository) -> (Scene, Arc<Repository>) {
    let agent = ScriptedAgent::new(script, result(Outcome::Completed, "Done."), world);
    let (mut scene, _, _) = Scene::in_memory(registry(agent)).await;
    let repository = Arc::new(repository);
    scene.ports.version_control = Some(Arc::<Repository>::clone(&repository));
    (scene, repository)
}

#[tokio::test]
async fn runs_of_a_project_with_several_at_once_have_worktrees() {
    let world = World::default();
    let (scene, repository) = scene(&world, Repository::default()).await;
    scene.add_project("single", 1).await;
    let runner = scene.start();
    let shared = project("single").settings().workspace.clone();
    for (n, name) in [(1, None), (2, None), (3, Some("single"))] {
        let mut draft = command(n, "Hello.");
        draft.project = name.map_or(draft.project, |name| name.parse().unwrap());
        let ended = scene.ended(scene.add(draft).await).await;
        let place = match name {
            None => (worktree(id(n)).workspace, true),
            Some(_) => (shared.clone(), false),
        };
        assert_eq!(world.lock().unwrap()[&id(n)].places, [place]);
        let branch = ended.result.unwrap().changes.unwrap().branch;
        assert_eq!(branch, name.is_none().then(|| worktree(id(n)).branch));
    }
    runner.stop().await.unwrap();
    assert!(repository.worktrees.lock().unwrap().is_empty(), "a worktree is left");
}

#[tokio::test]
async fn a_session_has_the_worktree_of_its_first_run() {
    let world = World::default();
    let (scene, repository) = scene(&world, Repository::default()).await;
    let runner = scene.start();
    let session = format!("ses_{}", id(1)).parse().unwrap();
    let unknown = "ses_unknown".parse().unwrap();
    let sessions = [Session::New, Session::Resume(session), Session::Resume(unknown)];
    let fork = |session: &Session| match session {
        Session::Resume(session) => Session::Fork(session.clone()),
        other => other.clone(),
    };
    let forks: Vec<_> = sessions.iter().skip(1).map(fork).collect();
    for (n, session) in (1..).zip(sessions.into_iter().chain(forks)) {
        scene.ended(scene.add(RequestDraft { session, ..command(n, "Hello.") }).await).await;
    }
    runner.stop().await.unwrap();
    let workspace = project("x").settings().workspace.clone();
    let request = |n, name, base: Option<u16>| WorktreeRequest {
        workspace: workspace.clone(),
        run: id(n),
        name: id(name),
        base: base.map(id),
    };
    let expected = [
        request(1, 1, None),
        request(2, 1, None),
        request(3, 3, None),
        request(4, 4, Some(1)),
        request(5, 5, None),
    ];
    assert_eq!(*repository.requests.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_runner_that_takes_over_finds_the_worktree() {
    let (world, folder) = (World::default(), tempfile::tempdir().unwrap());
    let (scene, repository) = scene(&world, Repository::default()).await;
    let entropy = Ambient::system().entropy;
    let options = async || RunnerOptions::new(RunnerHost::exclusive(folder.path(), &*entropy).await.unwrap());
    let first = tokio::spawn(scene.runner(options().await).run(CancellationToken::new()));
    let id = scene.add(command(1, "Hello.")).await;
    scene.until(id, |command| command.last_seq > 10).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(scene.get(id).await.last_seq < EVENTS as u64, "the run had ended before");
    let second = RunnerTask::start(scene.runner(options().await));
    scene.ended(id).await;
    second.stop().await.unwrap();
    let place = (worktree(id).workspace, true);
    assert_eq!(world.lock().unwrap()[&id].places, [place.clone(), place]);
    assert!(repository.worktrees.lock().unwrap().is_empty(), "the worktree is left");
    assert_eq!(repository.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_starting_runner_removes_the_worktrees_of_commands_that_have_ended() {
    let world = World::default();
    let (scene, repository) = scene(&world, Repository::default()).await;
    let ended = scene.add(command(1, "Hello.")).await;
    scene.start().stop().await.unwrap();
    let runner = scene.start();
    scene.ended(ended).await;
    runner.stop().await.unwrap();
    let workspace = project("x").settings().workspace.clone();
    // One that has ended, one that waits, and one that was deleted.
    scene.add_project("other", 1).await;
    let waits = scene.add(RequestDraft { provider: "absent".parse().unwrap(), ..command(2, "Hello.") }).await;
    for run in [ended, waits, id(3)] {
        let request = WorktreeRequest { workspace: workspace.clone(), run, name: run, base: None };
        repository.worktrees.lock().unwrap().insert(run, request);
    }
    let runner = scene.start();
    let left = || repository.worktrees.lock().unwrap().keys().copied().collect::<Vec<_>>();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    while left() != [waits] {
        ticks.tick().await;
    }
    runner.stop().await.unwrap();
    assert_eq!(left(), [waits]);
}

#[tokio::test]
async fn a_workspace_without_worktrees_is_shared_with_a_warning_or_refused() {
    let world = World::default();
    let (scene, _) = scene(&world, Repository { is_none: true, ..Repository::default() }).await;
    let runner = scene.start();
    let ended = scene.ended(scene.add(command(1, "Hello.")).await).await;
    assert_eq!(ended.state.status(), CommandStatus::Completed);
    let AgentEventKind::Warning { message } = &scene.events(ended.id).await[0].kind else {
        panic!("no warning")
    };
    assert!(message.contains("share its files"), "{message}");
    assert!(!world.lock().unwrap()[&ended.id].places[0].1);
    runner.stop().await.unwrap();
    let (scene, _) = self::scene(&world, Repository { refuses: true, ..Repository::default() }).await;
    let runner = scene.start();
    let ended = scene.ended(scene.add(command(2, "Hello.")).await).await;
    assert_eq!(ended.state.outcome(), Some(Outcome::Failed(FailureReason::StartFailed)));
    let detail = ended.result.unwrap().detail.unwrap();
    assert_eq!(detail, "the run has no worktree of its own: git is ill");
    runner.stop().await.unwrap();
    // An agent that works in no files needs none.
    let agents = registry(DemoAgent::new("claude".parse().unwrap()));
    let (mut scene, _, _) = Scene::in_memory(agents).await;
    scene.ports.version_control = Some(Arc::new(Repository { is_none: true, ..Repository::default() }));
    let runner = scene.start();
    let ended = scene.ended(scene.add(command(1, "Hello.")).await).await;
    assert!(!matches!(scene.events(ended.id).await[0].kind, AgentEventKind::Warning { .. }));
    runner.stop().await.unwrap();
}
