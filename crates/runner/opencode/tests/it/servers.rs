//! The servers that the agent starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentRun, FailureReason, Outcome};
use rdev_runner_testkit::{RecordingSink, command_id, draft, run as agent_run};

use crate::backend::Start;
use crate::stand_in::StandIn;
use crate::{agent, agent_that_keeps, prompt};

fn run_with_secret(n: u8, prompt: &str, value: &str) -> AgentRun {
    let mut run = agent_run(draft(n, prompt));
    run.secrets.add_variable("API_KEY".parse().unwrap(), value.into());
    run
}

/// Waits until something holds that the agent does by itself.
async fn eventually(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
}

#[tokio::test]
async fn the_runs_of_a_project_share_a_server() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let (one, two) = (agent_run(draft(1, "say One.")), agent_run(draft(2, "say Two.")));
    let (one, two) = tokio::join!(agent.execute(&one, &sink), agent.execute(&two, &sink));
    assert_eq!((one.text.as_str(), two.text.as_str()), ("One.", "Two."));
    assert_eq!(server.backend().state().specs.len(), 1);
}

#[tokio::test]
async fn other_secrets_have_a_server_of_their_own() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    for value in ["sk-one", "sk-two", "sk-one"] {
        agent.execute(&run_with_secret(1, "say Hello.", value), &sink).await;
    }
    let backend = server.backend();
    assert_eq!(backend.state().specs.len(), 2);
    let values: Vec<_> = (0..2).map(|n| backend.variable(n, "API_KEY")).collect();
    assert_eq!(values, ["sk-one", "sk-two"]);
}

#[tokio::test]
async fn a_server_reads_nothing_of_the_repository_and_downloads_nothing() {
    let server = StandIn::start().await;
    prompt(&server, "say Hello.").await;
    let backend = server.backend();
    for name in ["AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "PROJECT_CONFIG"] {
        assert_eq!(backend.variable(0, &format!("OPENCODE_DISABLE_{name}")), "1");
    }
    let config = backend.variable(0, "OPENCODE_CONFIG_CONTENT");
    assert_eq!(config, r#"{"agent":{"build":{"steps":10000}},"autoupdate":false,"share":"disabled"}"#);
    let args = backend.state().specs[0].args.join(" ");
    assert_eq!(args, "serve --hostname 127.0.0.1 --port 0 --pure");
}

#[tokio::test]
async fn a_server_that_ends_at_its_start_is_a_failure_with_its_complaint() {
    let server = StandIn::start().await;
    server.backend().state().start = Start::Fails;
    let (result, _) = prompt(&server, "say Hello.").await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::StartFailed));
    assert_eq!(
        result.detail.unwrap(),
        "The OpenCode server could not be started: it ended with exit code 1: Error: the configuration is broken"
    );
    assert_eq!(server.backend().state().removed.len(), 1);
    server.backend().state().start = Start::Listens;
    assert_eq!(prompt(&server, "say Hello.").await.0.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_run_is_cancelled_while_its_server_starts() {
    let server = StandIn::start().await;
    server.backend().state().start = Start::SaysNothing;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let run = agent_run(draft(1, "say Hello."));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        eventually(|| !server.backend().running().is_empty()).await;
        agent.cancel(command_id(1)).await;
    });
    assert_eq!((result.outcome, result.session), (Outcome::Cancelled, None));
    assert_eq!(sink.events(), []);
}

#[tokio::test]
async fn a_server_that_dies_fails_its_run_and_the_next_run_starts_another() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let run = agent_run(draft(1, "say One.\nhang"));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        server.asked("POST", "/prompt_async").await;
        server.die();
    });
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::NoResult));
    assert_eq!(result.detail.unwrap(), "The OpenCode server is gone: it was ended by signal 9");
    server.state().stays_away = false;
    let run = agent_run(draft(2, "say Two."));
    assert_eq!(agent.execute(&run, &sink).await.outcome, Outcome::Completed);
    assert_eq!(server.backend().state().specs.len(), 2);
}

#[tokio::test]
async fn a_server_without_runs_is_stopped_after_a_while() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent_that_keeps(&server, Duration::from_millis(100)), RecordingSink::default());
    let run = agent_run(draft(1, "say One."));
    assert_eq!(agent.execute(&run, &sink).await.outcome, Outcome::Completed);
    eventually(|| server.backend().running().is_empty()).await;
    eventually(|| fs::read_dir(server.folder().join("servers")).unwrap().next().is_none()).await;
    // A run that goes on for longer keeps its server: one that is idle later is stopped before.
    let run = agent_run(draft(2, "hang"));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        eventually(|| server.bodies("POST", "/prompt_async").len() == 2).await;
        agent.execute(&run_with_secret(3, "say Three.", "sk-other"), &sink).await;
        eventually(|| server.backend().running().len() == 1).await;
        agent.cancel(command_id(2)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert_eq!(server.backend().state().specs.len(), 3);
}

#[tokio::test]
async fn a_runner_that_ends_stops_the_servers_without_runs() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    agent.execute(&agent_run(draft(1, "say One.")), &sink).await;
    let busy = run_with_secret(2, "hang", "sk-other");
    let busy = agent.execute(&busy, &sink);
    tokio::pin!(busy);
    tokio::select! {
        ended = &mut busy => panic!("it ended: {ended:?}"),
        () = eventually(|| server.bodies("POST", "/prompt_async").len() == 2) => {}
    }
    assert_eq!(server.backend().running().len(), 2);
    agent.close().await;
    assert_eq!(server.backend().running().len(), 1);
}

#[tokio::test]
async fn a_runner_takes_over_the_servers_of_one_that_was_killed() {
    let server = StandIn::start().await;
    let sink = RecordingSink::default();
    agent(&server).execute(&agent_run(draft(1, "say One.")), &sink).await;
    let next = agent(&server);
    assert_eq!(next.execute(&agent_run(draft(2, "say Two.")), &sink).await.text, "Two.");
    assert_eq!(server.backend().state().specs.len(), 1);
    // While a runner looks after it, another one has a server of its own.
    let other = agent(&server);
    assert_eq!(other.execute(&agent_run(draft(3, "say Three.")), &sink).await.text, "Three.");
    assert_eq!(server.backend().state().specs.len(), 2);
    other.close().await;
    assert_eq!(server.backend().running().len(), 1);
}

/// Begins a run that hangs and abandons it, as a runner that is killed.
async fn abandoned(server: &StandIn) {
    let (agent, run, sink) = (agent(server), agent_run(draft(1, "hang")), RecordingSink::default());
    tokio::select! {
        ended = agent.execute(&run, &sink) => panic!("it ended: {ended:?}"),
        () = server.asked("POST", "/prompt_async") => {}
    }
}

#[tokio::test]
async fn a_runner_that_starts_keeps_the_server_of_a_run_until_the_run_is_forgotten() {
    let server = StandIn::start().await;
    abandoned(&server).await;
    let early = agent(&server);
    assert_eq!(early.recover().await, [command_id(1)]);
    early.close().await;
    drop(early);
    assert_eq!(server.backend().running().len(), 1, "no runner has attached to its run yet");

    let next = agent(&server);
    assert_eq!(next.recover().await, [command_id(1)]);
    // Its command was lost meanwhile.
    next.forget(command_id(1)).await;
    assert_eq!((server.backend().running(), server.backend().state().removed.len()), (Vec::new(), 1));
    assert_eq!(next.recover().await, []);
    assert!(fs::read_dir(server.folder().join("servers")).unwrap().next().is_none());
}

#[tokio::test]
async fn a_runner_that_starts_stops_a_server_without_runs_after_a_while() {
    let server = StandIn::start().await;
    {
        let first = agent(&server);
        first.execute(&agent_run(draft(1, "say One.")), &RecordingSink::default()).await;
        first.forget(command_id(1)).await;
    }
    assert_eq!(server.backend().running().len(), 1);
    let next = agent_that_keeps(&server, Duration::from_millis(100));
    assert_eq!(next.recover().await, []);
    eventually(|| server.backend().running().is_empty()).await;
}

#[tokio::test]
async fn only_the_owner_reads_what_is_kept() {
    let server = StandIn::start().await;
    prompt(&server, "say Hello.").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for kind in ["servers", "runs"] {
        let folder = server.folder().join(kind);
        assert_eq!(mode(&folder), 0o700);
        let record = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        assert_eq!(mode(&record), 0o600);
        assert!(!fs::read_to_string(&record).unwrap().contains("sk-secret"));
    }
}

#[tokio::test]
async fn what_a_run_has_left_behind_is_swept_after_the_last_run() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    server.backend().state().tools = vec![2, 1];
    let long = agent_run(draft(1, "hang"));
    let (result, ()) = tokio::join!(agent.execute(&long, &sink), async {
        server.asked("POST", "/prompt_async").await;
        agent.execute(&agent_run(draft(2, "say Two.")), &sink).await;
        assert_eq!(server.backend().state().sweeps, 0);
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert_eq!(server.backend().state().sweeps, 3);
    assert_eq!(server.backend().running().len(), 1);
}

#[tokio::test]
async fn tools_that_do_not_end_are_stopped_with_their_server() {
    let server = StandIn::start().await;
    server.backend().state().tools = vec![1; 1_000];
    assert_eq!(prompt(&server, "say Hello.").await.0.outcome, Outcome::Completed);
    assert_eq!((server.backend().running(), server.backend().state().removed.len()), (Vec::new(), 1));
}

#[tokio::test]
async fn a_session_that_does_not_end_is_stopped_with_its_server() {
    let server = StandIn::start().await;
    server.state().stays_open = true;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let run = agent_run(draft(1, "hang"));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        server.asked("POST", "/prompt_async").await;
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert_eq!((server.backend().running(), server.backend().state().removed.len()), (Vec::new(), 1));
}

#[tokio::test]
async fn a_program_that_is_not_installed_is_named() {
    let server = StandIn::start().await;
    assert_eq!(agent(&server).probe().await.unwrap().0, "1.18.33");
    server.backend().state().is_not_installed = true;
    let unavailable = agent(&server).probe().await.unwrap_err().to_string();
    assert!(unavailable.contains("opencode was not found on PATH"), "{unavailable}");
    assert!(unavailable.contains("npm install --global opencode-ai"), "{unavailable}");
}
