//! The contract of the agents: one test for each MUST of [`CodeAgent`] that holds for every agent.
//!
//! An agent's integration test passes the agent and [`Prompts`] that it understands to each of these
//! functions, or all of them to [`agent_contract_tests!`](crate::agent_contract_tests).

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, AgentResult, CommandId, Outcome};

use crate::{GatedSink, RecordingSink, command_id, draft, run};

/// The bound of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prompts whose course the tests know.
#[derive(Debug, Clone, Copy)]
pub struct Prompts {
    /// A prompt that the agent answers with this text alone.
    pub echo: fn(&str) -> String,
    /// A prompt that the agent works on for hours.
    pub endless: &'static str,
}

/// Defines a test for each function of [`contract`](crate::contract). The first argument goes to
/// `tokio::test`; the expression creates an agent, its [`Prompts`], and what else has to live as long as the test.
#[macro_export]
macro_rules! agent_contract_tests {
    ($runtime:tt, $subject:expr) => {
        $crate::agent_contract_tests!(@each $runtime, $subject;
            execute_reports_every_event_before_the_result
            execute_waits_for_its_sink
            runs_at_the_same_time_are_kept_apart
            cancel_ends_a_run
            cancel_changes_nothing_else
            what_never_began_is_not_continued
            what_has_begun_is_not_withdrawn);
    };
    (@each $runtime:tt, $subject:expr; $($name:ident)+) => {$(
        #[tokio::test $runtime]
        async fn $name() {
            let subject = $subject;
            $crate::contract::$name(&subject.0, subject.1).await;
        }
    )+};
}

/// The final message is among the events, and the session that the result names was reported.
pub async fn execute_reports_every_event_before_the_result(agent: &dyn CodeAgent, prompts: Prompts) {
    let sink = RecordingSink::default();
    let result = execute(agent, 1, &(prompts.echo)("Hello there."), &sink).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Hello there."));
    assert_eq!(messages(&sink.events()), ["Hello there."]);
    let sessions: Vec<_> = sink
        .events()
        .into_iter()
        .filter_map(|event| match event {
            AgentEventKind::SessionStarted { session, .. } => Some(session),
            _ => None,
        })
        .collect();
    assert_eq!(sessions.last(), result.session.as_ref());
}

/// A run does not end while its sink takes nothing.
pub async fn execute_waits_for_its_sink(agent: &dyn CodeAgent, prompts: Prompts) {
    let sink = GatedSink::new();
    let run = run(draft(1, &(prompts.echo)("Hello there.")));
    let run = agent.execute(&run, &sink);
    tokio::pin!(run);
    let early = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
    assert!(early.is_err(), "ended without its sink: {early:?}");
    assert_eq!(sink.events(), []);
    sink.open(1_000);
    assert_eq!(bounded(run).await.outcome, Outcome::Completed);
    assert_eq!(messages(&sink.events()), ["Hello there."]);
}

/// Two runs have their own events and results.
pub async fn runs_at_the_same_time_are_kept_apart(agent: &dyn CodeAgent, prompts: Prompts) {
    let (one, two) = (RecordingSink::default(), RecordingSink::default());
    let (prompt_one, prompt_two) = ((prompts.echo)("One."), (prompts.echo)("Two."));
    let (first, second) =
        tokio::join!(execute(agent, 1, &prompt_one, &one), execute(agent, 2, &prompt_two, &two));
    assert_eq!((first.text.as_str(), second.text.as_str()), ("One.", "Two."));
    assert_eq!(
        (messages(&one.events()), messages(&two.events())),
        (vec!["One.".into()], vec!["Two.".into()])
    );
}

/// A run that is cancelled, twice, ends as cancelled.
pub async fn cancel_ends_a_run(agent: &dyn CodeAgent, prompts: Prompts) {
    let sink = RecordingSink::default();
    let (result, ()) = tokio::join!(execute(agent, 1, prompts.endless, &sink), async {
        sink.first().await;
        agent.cancel(command_id(1)).await;
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
}

/// A cancellation of a run that has ended, never began or is another one has no effect.
pub async fn cancel_changes_nothing_else(agent: &dyn CodeAgent, prompts: Prompts) {
    let cancel_all = async |others: &[CommandId]| {
        for other in others {
            agent.cancel(*other).await;
        }
    };
    cancel_all(&[command_id(1), command_id(2)]).await;
    let sink = RecordingSink::default();
    let run = run(draft(1, prompts.endless));
    let run = agent.execute(&run, &sink);
    tokio::pin!(run);
    let early = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
    assert!(early.is_err(), "cancelled before it began: {early:?}");
    let other = execute(agent, 2, &(prompts.echo)("Two."), &RecordingSink::default()).await;
    assert_eq!(other.outcome, Outcome::Completed);
    cancel_all(&[command_id(2), command_id(3)]).await;
    let early = tokio::time::timeout(Duration::from_secs(1), &mut run).await;
    assert!(early.is_err(), "cancelled by the id of another: {early:?}");
    cancel_all(&[command_id(1)]).await;
    assert_eq!(bounded(run).await.outcome, Outcome::Cancelled);
}

/// A run that the agent does not know is neither continued nor begun.
pub async fn what_never_began_is_not_continued(agent: &dyn CodeAgent, prompts: Prompts) {
    let sink = RecordingSink::default();
    let run = run(draft(3, &(prompts.echo)("Hello there.")));
    assert_eq!(agent.attach(&run, None, &sink).await, None);
    assert_eq!(sink.events(), []);
    agent.forget(run.command_id()).await;
}

/// A run that has had an effect stays what it is.
pub async fn what_has_begun_is_not_withdrawn(agent: &dyn CodeAgent, prompts: Prompts) {
    let run = run(draft(1, &(prompts.echo)("Hello there.")));
    let result = bounded(agent.execute(&run, &RecordingSink::default())).await;
    assert_eq!(result.outcome, Outcome::Completed);
    assert!(!agent.withdraw(&run).await);
}

async fn execute(agent: &dyn CodeAgent, n: u8, prompt: &str, sink: &RecordingSink) -> AgentResult {
    bounded(agent.execute(&run(draft(n, prompt)), sink)).await
}

async fn bounded(run: impl Future<Output = AgentResult>) -> AgentResult {
    match tokio::time::timeout(PATIENCE, run).await {
        Ok(result) => result,
        #[expect(clippy::panic, reason = "only tests use it")]
        Err(_) => panic!("the run did not end"),
    }
}

fn messages(events: &[AgentEventKind]) -> Vec<String> {
    let message = |event: &AgentEventKind| match event {
        AgentEventKind::Message { text, .. } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}
