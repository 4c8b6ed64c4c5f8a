//! Servers in places that cannot be reached for a while, and in pods.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, AgentRun, ExecState, Outcome, PodWorkspace, Workspace};
use rdev_runner_opencode::{ABANDONED_AFTER, DEFAULT_KEEP_IDLE, OpenCodeAgent};
use rdev_runner_testkit::{RecordingSink, command_id, draft, run as agent_run};
use tempfile::TempDir;

use crate::stand_in::StandIn;
use crate::{agent, agent_on, agent_that_keeps};

const SCRIPT: &str = "say One.\nhang\nsay Two.";

fn messages(sink: &RecordingSink) -> Vec<String> {
    let text = |event| match event {
        AgentEventKind::Message { text, .. } => Some(text),
        _ => None,
    };
    sink.events().into_iter().filter_map(text).collect()
}

/// Waits until the sink has this message.
async fn reported(sink: &RecordingSink, message: &str) {
    while !messages(sink).iter().any(|text| text == message) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_run_is_lost_with_its_place() {
    let server = StandIn::start().await;
    let (agent, run, sink) = (agent(&server), agent_run(draft(1, SCRIPT)), RecordingSink::default());
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        reported(&sink, "One.").await;
        server.vanish();
    });
    assert_eq!(result.outcome, Outcome::Lost);
    let detail = result.detail.unwrap();
    assert_eq!(detail, "The OpenCode server is gone: its supervisor was killed, or its pod is gone");
    // The next run has a server of its own.
    server.state().stays_away = false;
    let result = agent.execute(&agent_run(draft(2, "say Two.")), &sink).await;
    assert_eq!(result.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_run_goes_on_once_its_place_is_reached_again() {
    let server = StandIn::start().await;
    let (agent, run, sink) = (agent(&server), agent_run(draft(1, SCRIPT)), RecordingSink::default());
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        reported(&sink, "One.").await;
        server.go_away();
        server.go_on();
        server.come_back().await;
    });
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."), "{:?}", result.detail);
    assert_eq!(messages(&sink), ["One.", "Two."]);
    assert_eq!(server.bodies("POST", "/prompt_async").len(), 1);
}

#[tokio::test]
async fn a_run_is_cancelled_while_its_place_is_away() {
    let server = StandIn::start().await;
    let (agent, run, sink) = (agent(&server), agent_run(draft(1, SCRIPT)), RecordingSink::default());
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        reported(&sink, "One.").await;
        server.go_away();
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_runner_attaches_once_the_place_is_reached() {
    let server = StandIn::start().await;
    let (run, first) = (agent_run(draft(1, SCRIPT)), RecordingSink::default());
    {
        let agent = agent(&server);
        tokio::select! {
            ended = agent.execute(&run, &first) => panic!("it ended: {ended:?}"),
            () = reported(&first, "One.") => {}
        }
    }
    server.go_away();
    server.go_on();
    let (next, second) = (agent(&server), RecordingSink::default());
    // As the runner does when it starts.
    assert_eq!(next.recover().await, [command_id(1)]);
    let checkpoint = first.last_checkpoint();
    let (result, ()) = tokio::join!(next.attach(&run, checkpoint.as_deref(), &second), server.come_back());
    let result = result.unwrap();
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."), "{:?}", result.detail);
    assert_eq!(messages(&second), ["Two."]);
    assert_eq!(server.backend().state().specs.len(), 1);
    // It looks after the server from then on.
    next.close().await;
    assert_eq!(server.backend().running(), [""; 0]);
}

#[tokio::test]
async fn each_pod_has_a_server_of_its_own() {
    let server = StandIn::start().await;
    let agent = agent(&server);
    let in_pod = |n, app: &str| {
        let place = PodWorkspace {
            namespace: "default".parse().unwrap(),
            selector: format!("app={app}").parse().unwrap(),
            container: "main".parse().unwrap(),
            path: "/workspace".parse().unwrap(),
        };
        AgentRun { workspace: Workspace::Kubernetes(place), ..agent_run(draft(n, "say Hello.")) }
    };
    for (n, app, servers) in [(1, "one", 1), (2, "two", 2), (3, "one", 2)] {
        let result = agent.execute(&in_pod(n, app), &RecordingSink::default()).await;
        assert_eq!(result.outcome, Outcome::Completed, "{:?}", result.detail);
        assert_eq!(server.backend().state().specs.len(), servers);
    }
    assert!(server.state().directories.iter().all(|directory| directory == "%2Fworkspace"));
}

fn in_pod(n: u8, prompt: &str) -> AgentRun {
    let place = PodWorkspace {
        namespace: "default".parse().unwrap(),
        selector: "app=one".parse().unwrap(),
        container: "main".parse().unwrap(),
        path: "/workspace".parse().unwrap(),
    };
    AgentRun { workspace: Workspace::Kubernetes(place), ..agent_run(draft(n, prompt)) }
}

/// Returns an agent on another host than that of the others.
fn elsewhere(server: &StandIn, folder: &TempDir) -> OpenCodeAgent {
    agent_on(server.backend(), folder.path(), server.clock(), DEFAULT_KEEP_IDLE)
}

/// Begins a run that a runner abandons which never comes back.
async fn abandoned(server: &StandIn, run: &AgentRun) -> RecordingSink {
    let (first, sink) = (agent(server), RecordingSink::default());
    tokio::select! {
        ended = first.execute(run, &sink) => panic!("it ended: {ended:?}"),
        () = reported(&sink, "One.") => {}
    }
    sink
}

#[tokio::test]
async fn a_run_in_a_pod_is_continued_by_a_runner_of_another_host() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    let run = in_pod(1, SCRIPT);
    let first = abandoned(&server, &run).await;
    server.go_away();
    server.go_on();
    let (next, second) = (elsewhere(&server, &folder), RecordingSink::default());
    assert_eq!(next.recover().await, [command_id(1)]);
    let checkpoint = first.last_checkpoint();
    let (result, ()) = tokio::join!(next.attach(&run, checkpoint.as_deref(), &second), server.come_back());
    let result = result.unwrap();
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."), "{:?}", result.detail);
    assert_eq!(messages(&second), ["Two."]);
    assert_eq!(server.bodies("POST", "/prompt_async").len(), 1);
    // The server of the first runner takes no more runs.
    assert_eq!(server.backend().state().specs.len(), 1);
    assert_eq!(server.backend().running(), [""; 0]);
    assert!(!next.withdraw(&run).await);
    next.forget(command_id(1)).await;
    assert!(server.backend().state().notes.is_empty());
    assert_eq!(next.recover().await, []);
}

#[tokio::test]
async fn a_run_in_a_pod_without_a_prompt_is_withdrawn() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    let (next, sink) = (elsewhere(&server, &folder), RecordingSink::default());
    let run = in_pod(1, SCRIPT);
    assert_eq!(next.attach(&run, None, &sink).await, None);
    assert!(next.withdraw(&run).await);
    abandoned(&server, &run).await;
    assert!(!next.withdraw(&run).await);
}

#[tokio::test]
async fn a_server_whose_runner_has_died_is_stopped_with_its_command() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    abandoned(&server, &in_pod(1, SCRIPT)).await;
    // The command is lost. The runner might be about to forget it itself.
    let next = elsewhere(&server, &folder);
    next.forget(command_id(1)).await;
    assert_eq!((server.backend().running().len(), next.recover().await), (1, vec![command_id(1)]));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    next.forget(command_id(1)).await;
    assert_eq!((server.backend().running(), next.recover().await), (Vec::new(), Vec::new()));
}

/// Lets time pass, in which the runners look after their servers.
async fn pass(next: &OpenCodeAgent, time: Duration) {
    const STEP: Duration = Duration::from_secs(20);
    tokio::time::pause();
    for _ in 0..time.as_secs() / STEP.as_secs() {
        tokio::time::advance(STEP).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        next.recover().await;
    }
    tokio::time::resume();
}

#[tokio::test]
async fn a_server_in_a_pod_without_a_run_is_stopped_once_its_runner_has_died() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    let owner = agent_that_keeps(&server, Duration::from_secs(24 * 60 * 60));
    let result = owner.execute(&in_pod(1, "say One."), &RecordingSink::default()).await;
    assert_eq!(result.outcome, Outcome::Completed, "{:?}", result.detail);
    owner.forget(command_id(1)).await;
    let next = elsewhere(&server, &folder);
    // Its runner lives, and uses it again.
    pass(&next, 3 * ABANDONED_AFTER).await;
    let names = server.backend().running();
    assert_eq!(names.len(), 1);
    let result = owner.execute(&in_pod(2, "say Two."), &RecordingSink::default()).await;
    assert_eq!((result.outcome, server.backend().running()), (Outcome::Completed, names));
    owner.forget(command_id(2)).await;
    drop(owner);
    pass(&next, ABANDONED_AFTER - Duration::from_secs(60)).await;
    assert_eq!(server.backend().running().len(), 1);
    pass(&next, Duration::from_secs(120)).await;
    assert_eq!((server.backend().running(), server.backend().state().notes.len()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_server_whose_pod_may_be_in_another_cluster_is_left_alone() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    let owner = agent_that_keeps(&server, Duration::from_secs(24 * 60 * 60));
    owner.execute(&in_pod(1, "say One."), &RecordingSink::default()).await;
    owner.forget(command_id(1)).await;
    drop(owner);
    server.backend().end(&ExecState::Lost);
    server.backend().state().notes.clear();
    pass(&elsewhere(&server, &folder), 3 * ABANDONED_AFTER).await;
    assert_eq!(server.backend().state().removed, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_in_a_pod_with_a_run_waits_for_the_next_runner() {
    let (server, folder) = (StandIn::start().await, TempDir::new().unwrap());
    abandoned(&server, &in_pod(1, SCRIPT)).await;
    pass(&elsewhere(&server, &folder), 3 * ABANDONED_AFTER).await;
    assert_eq!(server.backend().running().len(), 1);
}

#[tokio::test]
async fn a_prompt_that_was_not_sent_is_sent_by_the_next_runner() {
    let server = StandIn::start().await;
    let run = agent_run(draft(1, "say One."));
    {
        let (first, sink) = (agent(&server), RecordingSink::default());
        tokio::select! {
            ended = first.execute(&run, &sink) => panic!("it ended: {ended:?}"),
            () = async {
                while sink.last_checkpoint().is_none() {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
    }
    assert_eq!(server.bodies("POST", "/prompt_async").len(), 0);
    let (next, sink) = (agent(&server), RecordingSink::default());
    let result = next.attach(&run, None, &sink).await.unwrap();
    assert_eq!((result.outcome, messages(&sink)), (Outcome::Completed, vec!["One.".to_owned()]));
    assert_eq!(server.bodies("POST", "/prompt_async").len(), 1);
}
