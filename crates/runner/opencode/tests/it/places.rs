//! Servers in places that cannot be reached for a while, and in pods.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, AgentRun, Outcome, PodWorkspace, Workspace};
use rdev_runner_testkit::{RecordingSink, command_id, draft, run as agent_run};

use crate::agent;
use crate::stand_in::StandIn;

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
