//! Runs that an earlier runner began.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, AgentResult, AgentRun, FailureReason, LimitSettings, Outcome, RequestDraft, Session,
    Timeout,
};
use rdev_runner_testkit::{RecordingSink, command_id, draft, run as agent_run};

use crate::agent;
use crate::stand_in::StandIn;

/// What a sink has got, without text deltas.
fn events(sink: &RecordingSink) -> Vec<String> {
    let seen = |event| match event {
        AgentEventKind::SessionStarted { .. } => Some("session".to_owned()),
        AgentEventKind::Message { text, .. } => Some(text),
        AgentEventKind::ToolCall { name, .. } => Some(format!("call {name}")),
        AgentEventKind::ToolResult { .. } => Some("result".to_owned()),
        AgentEventKind::PermissionDenied { tool, .. } => Some(format!("denied {tool}")),
        _ => None,
    };
    sink.events().into_iter().filter_map(seen).collect()
}

/// Begins a run and abandons it, as a runner that is killed, once the sink has `count` events.
async fn begin(server: &StandIn, run: &AgentRun, count: usize) -> RecordingSink {
    let (agent, sink) = (agent(server), RecordingSink::default());
    {
        let running = agent.execute(run, &sink);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => panic!("it ended: {ended:?}"),
            () = async {
                while events(&sink).len() < count {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        // What it has read may not be reported.
        let early = tokio::time::timeout(Duration::from_millis(50), running).await;
        assert!(early.is_err());
    }
    sink
}

async fn attach(
    server: &StandIn,
    run: &AgentRun,
    sink: &RecordingSink,
    checkpoint: Option<&str>,
) -> Option<AgentResult> {
    agent(server).attach(run, checkpoint, sink).await
}

#[tokio::test]
async fn a_run_goes_on_without_gap_or_double() {
    let server = StandIn::start().await;
    let run = agent_run(draft(1, "say One.\ntool bash\nhang\ntool edit\nsay Two."));
    let first = begin(&server, &run, 4).await;
    assert_eq!(events(&first), ["session", "One.", "call bash", "result"]);
    // Part of it while no runner is there, part of it later.
    server.go_on();
    let second = RecordingSink::default();
    let result = attach(&server, &run, &second, first.last_checkpoint().as_deref()).await.unwrap();
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."));
    assert_eq!(events(&second), ["call edit", "result", "Two."]);
    // Everything that the run has cost.
    assert_eq!((result.cost.unwrap().as_f64(), result.usage.input_tokens), (0.5, 200));
    assert_eq!(server.bodies("POST", "/prompt_async").len(), 1);
    assert_eq!(server.backend().state().specs.len(), 1);
}

#[tokio::test]
async fn a_run_without_a_checkpoint_goes_on_from_its_beginning() {
    let server = StandIn::start().await;
    server.add_session("ses_old", &["Earlier."]);
    let session = Session::Resume("ses_old".parse().unwrap());
    let run = agent_run(RequestDraft { session, ..draft(1, "say One.\nhang\nsay Two.") });
    begin(&server, &run, 2).await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let (result, ()) = tokio::join!(agent.attach(&run, None, &sink), async {
        while events(&sink).len() < 2 {
            tokio::task::yield_now().await;
        }
        server.go_on();
    });
    assert_eq!(events(&sink), ["session", "One.", "Two."]);
    let result = result.unwrap();
    assert_eq!((result.outcome, result.cost.unwrap().as_f64()), (Outcome::Completed, 0.5));
    agent.forget(command_id(1)).await;
    assert_eq!(agent.attach(&run, None, &sink).await, None);
}

#[tokio::test]
async fn what_was_asked_while_no_runner_was_there_is_denied() {
    let server = StandIn::start().await;
    let run = agent_run(draft(1, "say One.\nhang\nask bash\nsay Without it."));
    let first = begin(&server, &run, 2).await;
    server.go_on();
    let second = RecordingSink::default();
    let result = attach(&server, &run, &second, first.last_checkpoint().as_deref()).await.unwrap();
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Without it."));
    assert_eq!(events(&second), ["denied bash", "Without it."]);
    assert_eq!(result.denials.len(), 1);
}

#[tokio::test]
async fn an_attached_run_is_cancelled_and_limited() {
    let server = StandIn::start().await;
    let run = agent_run(draft(1, "say One.\nhang"));
    let first = begin(&server, &run, 2).await;
    let (next, sink) = (agent(&server), RecordingSink::default());
    let checkpoint = first.last_checkpoint();
    let (result, ()) = tokio::join!(next.attach(&run, checkpoint.as_deref(), &sink), async {
        server.asked("POST /sync", "/history").await;
        next.cancel(command_id(1)).await;
    });
    assert_eq!(result.unwrap().outcome, Outcome::Cancelled);
    drop(next);

    let hour = Duration::from_secs(60 * 60);
    let limits = LimitSettings { wall: Some(hour), ..LimitSettings::default() };
    let run = agent_run(RequestDraft { limits, ..draft(2, "say One.\nhang") });
    let first = begin(&server, &run, 2).await;
    // The time without a runner counts.
    server.clock().advance(hour);
    let result = attach(&server, &run, &sink, first.last_checkpoint().as_deref()).await.unwrap();
    assert_eq!(result.outcome, Outcome::TimedOut(Timeout::Wall));
}

#[tokio::test]
async fn a_run_whose_server_has_ended_has_the_end_that_was_stored() {
    for (rest, outcome, text) in
        [("say Two.", Outcome::Completed, "Two."), ("hang", Outcome::Failed(FailureReason::NoResult), "")]
    {
        let server = StandIn::start().await;
        let run = agent_run(draft(1, &format!("say One.\nhang\n{rest}")));
        let first = begin(&server, &run, 2).await;
        server.go_on();
        server.die();
        server.state().stays_away = false;
        let second = RecordingSink::default();
        let result = attach(&server, &run, &second, first.last_checkpoint().as_deref()).await.unwrap();
        assert_eq!((result.outcome, result.text.as_str()), (outcome, text), "{:?}", result.detail);
        assert_eq!(server.backend().state().specs.len(), 2);
    }
}

#[tokio::test]
async fn a_run_of_an_unknown_server_is_lost() {
    let server = StandIn::start().await;
    let run = agent_run(draft(1, "say One.\nhang"));
    let first = begin(&server, &run, 2).await;
    std::fs::remove_dir_all(server.folder().join("servers")).unwrap();
    let sink = RecordingSink::default();
    assert_eq!(attach(&server, &run, &sink, first.last_checkpoint().as_deref()).await, None);
    assert_eq!(attach(&server, &run, &sink, Some("garbage")).await, None);
    assert_eq!(events(&sink), [""; 0]);
}
