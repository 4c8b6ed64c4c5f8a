use proptest::prelude::*;

use super::*;
use crate::Usage;

const START: Timestamp = Timestamp::from_millis(1_736_937_000_000);
const RUNNING: CommandState = CommandState::Running { started_at: START };

fn result(outcome: Outcome, exit_code: Option<i32>) -> AgentResult {
    AgentResult {
        outcome,
        detail: None,
        exit_code,
        duration: Duration::from_millis(5_432),
        session: None,
        text: String::new(),
        usage: Usage::default(),
        cost: None,
        denials: Vec::new(),
        changes: None,
    }
}

fn failed(exit_code: i32, reason: &'static str) -> Option<Publication> {
    Some(Publication::Failed { exit_code, duration: Duration::from_millis(5_432), reason })
}

#[test]
fn a_start_is_reported_at_once() {
    let change = CommandState::Queued.start(START).unwrap();
    assert_eq!(change.state, CommandState::Starting { started_at: START });
    assert_eq!(change.publication.map(Publication::event_type), Some("command.started"));
}

#[test]
fn a_started_command_never_starts_again() {
    let starting = CommandState::Queued.start(START).unwrap().state;
    assert_eq!(starting.start(START), Err(TransitionError::AlreadyStarted));
    assert_eq!(RUNNING.start(START), Err(TransitionError::AlreadyStarted));
    let lost = RUNNING.lose(START).unwrap().state;
    assert_eq!(lost.start(START), Err(TransitionError::Ended));
}

#[test]
fn a_queued_command_is_cancelled_at_once() {
    let change = CommandState::Queued.cancel(START).unwrap();
    let outcome = Outcome::Cancelled;
    assert_eq!(change.state, CommandState::Ended { started_at: None, ended_at: START, outcome });
    let reason = "cancelled";
    let expected = Publication::Failed { exit_code: 130, duration: Duration::ZERO, reason };
    assert_eq!(change.publication, Some(expected));
}

#[test]
fn a_running_command_is_cancelled_once_its_agent_has_ended() {
    let cancelling = RUNNING.cancel(START).unwrap();
    assert_eq!(cancelling, Change::silent(CommandState::Cancelling { started_at: START }));
    assert_eq!(cancelling.state.cancel(START), Ok(cancelling));
    assert_eq!(cancelling.state.run(), Ok(cancelling));
    let ended = cancelling.state.finish(&result(Outcome::Cancelled, None), START).unwrap();
    assert_eq!(
        (ended.state.status(), ended.publication),
        (CommandStatus::Cancelled, failed(130, "cancelled"))
    );
    assert_eq!(ended.state.cancel(START), Err(TransitionError::Ended));
}

#[test]
fn a_command_that_completes_while_it_is_cancelled_has_completed() {
    let cancelling = CommandState::Cancelling { started_at: START };
    let ended = cancelling.finish(&result(Outcome::Completed, Some(0)), START).unwrap();
    assert_eq!(ended.state.status(), CommandStatus::Completed);
}

#[test]
fn every_other_end_is_reported_as_a_failure_with_its_reason() {
    for (outcome, exit_code, expected) in [
        (Outcome::Failed(FailureReason::ApiError), Some(1), failed(1, "api_error")),
        (Outcome::Failed(FailureReason::NoResult), None, failed(1, "no_result")),
        (Outcome::TimedOut(Timeout::Idle), None, failed(124, "timed_out")),
        (Outcome::TimedOut(Timeout::Wall), Some(143), failed(143, "timed_out")),
        (Outcome::Lost, None, failed(1, "lost")),
    ] {
        assert_eq!(RUNNING.finish(&result(outcome, exit_code), START).unwrap().publication, expected);
    }
}

#[test]
fn a_lost_command_has_run_until_it_was_given_up() {
    let change = RUNNING.lose(START + Duration::from_secs(600)).unwrap();
    let expected = Publication::Failed { exit_code: 1, duration: Duration::from_secs(600), reason: "lost" };
    assert_eq!((change.state.status(), change.publication), (CommandStatus::Lost, Some(expected)));
}

#[test]
fn every_name_round_trips() {
    for status in CommandStatus::ALL {
        assert_eq!(CommandStatus::parse(status.as_str()), Some(*status));
    }
    for reason in FailureReason::ALL {
        assert_eq!(FailureReason::parse(reason.as_str()), Some(*reason));
    }
    assert_eq!(CommandStatus::parse("Queued"), None);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Start,
    Run,
    Cancel,
    Finish(Outcome),
    Lose,
    Requeue,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcomes = prop_oneof![
        Just(Outcome::Completed),
        prop::sample::select(FailureReason::ALL).prop_map(Outcome::Failed),
        Just(Outcome::Cancelled),
        prop::sample::select(Timeout::ALL).prop_map(Outcome::TimedOut),
        Just(Outcome::Lost),
    ];
    let step = prop_oneof![
        Just(Step::Start),
        Just(Step::Run),
        Just(Step::Cancel),
        outcomes.prop_map(Step::Finish),
        Just(Step::Lose),
        Just(Step::Requeue),
    ];
    prop::collection::vec(step, 0..20)
}

proptest! {
    #[test]
    fn a_state_is_restored_from_its_parts(steps in steps()) {
        let mut state = CommandState::Queued;
        for step in steps {
            let change = match step {
                Step::Start => state.start(START),
                Step::Run => state.run(),
                Step::Cancel => state.cancel(START),
                Step::Finish(outcome) => state.finish(&result(outcome, None), START),
                Step::Lose => state.lose(START),
                Step::Requeue => state.requeue(START),
            };
            state = change.map_or(state, |change| change.state);
            let (started_at, ended_at) = state.times();
            let reason = state.outcome().and_then(Outcome::reason);
            let restored = CommandState::from_parts(state.status(), reason, started_at, ended_at);
            prop_assert_eq!(restored, Some(state));
        }
    }

    #[test]
    fn a_command_starts_at_most_once_in_the_queue_and_ends_at_most_once(steps in steps()) {
        let mut state = CommandState::Queued;
        let (mut published, mut requeued) = (Vec::new(), 0);
        for (seconds, step) in (0..).zip(steps) {
            let now = START + Duration::from_secs(seconds);
            let change = match step {
                Step::Start => state.start(now),
                Step::Run => state.run(),
                Step::Cancel => state.cancel(now),
                Step::Finish(outcome) => state.finish(&result(outcome, None), now),
                Step::Lose => state.lose(now),
                Step::Requeue => state.requeue(now),
            };
            let had_ended = matches!(state, CommandState::Ended { .. });
            prop_assert!(!had_ended || change == Err(TransitionError::Ended));
            let Ok(change) = change else { continue };
            published.extend(change.publication.map(Publication::event_type));
            requeued += usize::from(matches!(step, Step::Requeue));
            state = change.state;
        }
        let ended = matches!(state, CommandState::Ended { .. });
        let ends = published.iter().filter(|event| **event != "command.started").count();
        prop_assert_eq!(ends, usize::from(ended));
        // `command.started` comes first, and once for each time in the queue; only a command that was cancelled there has
        // none. Its key keeps a repetition from being another event.
        let starts = published.len() - ends;
        prop_assert!(starts == 0 || published[0] == "command.started");
        let is_unstarted = matches!(
            state,
            CommandState::Queued | CommandState::Ended { started_at: None, .. }
        );
        prop_assert_eq!(starts, requeued + usize::from(!is_unstarted));
    }
}
