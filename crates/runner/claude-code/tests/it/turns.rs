//! Results of several turns, stops, and the moments at which the runner has to act.

use rdev_runner_claude_code::{ClaudeStream, End};
use rdev_runner_domain::{FailureReason, Outcome, Session, Timeout, Usd};

use crate::{read, read_in, result, succeeded};

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"ses_1"}"#;
const TOOL: &str =
    r#"{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{}}]}}"#;
const RETURNED: &str =
    r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"x"}]}}"#;

fn done(text: &str, total: f64) -> String {
    format!(
        r#"{{"type":"result","subtype":"success","is_error":false,"result":"{text}","total_cost_usd":{total}}}"#
    )
}

fn retry(status: u16) -> String {
    format!(r#"{{"type":"system","subtype":"api_retry","attempt":1,"error_status":{status},"error":"x"}}"#)
}

fn stopped(outcome: Outcome) -> End {
    End { exit_code: Some(143), stopped: Some(outcome), ..End::default() }
}

fn usd(millis: u64) -> Option<Usd> {
    Some(Usd::from_nanos(millis * 1_000_000))
}

#[test]
fn the_last_result_counts() {
    let output = [INIT, &done("First.", 0.001), INIT, &done("Second.", 0.003)].join("\n");
    let result = result(&output);
    assert_eq!((result.text.as_str(), result.cost), ("Second.", usd(3)));
}

#[test]
fn a_late_signal_does_not_spoil_a_result() {
    let output = [INIT, &done("Done.", 0.001)].join("\n");
    for end in [stopped(Outcome::Cancelled), End { signal: Some(9), ..End::default() }] {
        let result = read(output.as_bytes(), 64).0.result(&end);
        assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done."));
    }
}

#[test]
fn a_stop_in_a_later_turn_ends_the_run_unfinished() {
    let output = [INIT, &done("First.", 0.001), INIT, TOOL].join("\n");
    let timed_out = Outcome::TimedOut(Timeout::ToolIdle);
    for (end, outcome) in [
        (stopped(Outcome::Cancelled), Outcome::Cancelled),
        (stopped(timed_out), timed_out),
        (End { signal: Some(9), ..End::default() }, Outcome::Failed(FailureReason::Interrupted)),
        (End { exit_code: Some(1), ..End::default() }, Outcome::Failed(FailureReason::NoResult)),
        (succeeded(), Outcome::Completed),
    ] {
        let result = read(output.as_bytes(), 64).0.result(&end);
        assert_eq!((result.outcome, result.cost), (outcome, usd(1)), "{end:?}");
    }
}

#[test]
fn an_interrupted_turn_has_the_outcome_of_its_stop() {
    let aborted = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools","errors":["x"]}"#;
    let output = [INIT, TOOL, aborted].join("\n");
    let outcome = |end: &End| read(output.as_bytes(), 64).0.result(end).outcome;
    assert_eq!(outcome(&stopped(Outcome::Cancelled)), Outcome::Cancelled);
    assert_eq!(outcome(&stopped(Outcome::TimedOut(Timeout::Wall))), Outcome::TimedOut(Timeout::Wall));
    assert_eq!(outcome(&succeeded()), Outcome::Failed(FailureReason::Interrupted));
}

#[test]
fn a_refusal_of_the_credentials_is_seen_at_the_first_retry() {
    for (statuses, refused) in
        [(&[401][..], true), (&[403], true), (&[500, 401], true), (&[401, 500], false), (&[429], false)]
    {
        let output: Vec<_> = statuses.iter().map(|status| retry(*status)).collect();
        let (stream, _) = read(output.join("\n").as_bytes(), 64);
        assert_eq!(stream.credentials_refused(), refused, "{statuses:?}");
        let result = stream.result(&End { exit_code: Some(143), ..End::default() });
        assert_eq!(result.outcome == Outcome::Failed(FailureReason::Authentication), refused);
    }
    let recovered = [&retry(401), TOOL].join("\n");
    assert!(!read(recovered.as_bytes(), 64).0.credentials_refused());
}

#[test]
fn the_input_is_closed_when_nothing_is_left_to_do() {
    let background = |tasks: &str| {
        format!(r#"{{"type":"system","subtype":"background_tasks_changed","tasks":[{tasks}]}}"#)
    };
    let queued =
        r#"{"type":"result","subtype":"success","is_error":false,"result":"x","queued_turn_count":1}"#;
    let done = done("x", 0.0);
    for (lines, finished) in [
        (vec![INIT], false),
        (vec![INIT, &done], true),
        (vec![INIT, &done, INIT], false),
        (vec![INIT, queued], false),
        (vec![INIT, &background("{}"), &done], false),
        (vec![INIT, &background("{}"), &done, &background("")], true),
    ] {
        assert_eq!(read(lines.join("\n").as_bytes(), 64).0.is_finished(), finished, "{lines:?}");
    }
}

#[test]
fn a_tool_runs_from_its_call_to_its_return() {
    let mut stream = ClaudeStream::new(&Session::New, None);
    for (line, running) in [(INIT, false), (TOOL, true), (RETURNED, false)] {
        stream.push(format!("{line}\n").as_bytes());
        assert_eq!(stream.tool_is_running(), running, "{line}");
    }
}

#[test]
fn a_question_is_reported_once_until_it_is_withdrawn() {
    let ask = r#"{"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Write"}}"#;
    let (mut stream, events) = read(ask.as_bytes(), 64);
    assert!(format!("{events:?}").starts_with("[PermissionDenied { tool: \"Write\""));
    assert_eq!(stream.take_questions(), ["q1"]);
    assert_eq!(stream.take_questions(), [""; 0]);
    let withdrawn = [ask, r#"{"type":"control_cancel_request","request_id":"q1"}"#].join("\n");
    assert_eq!(read(withdrawn.as_bytes(), 64).0.take_questions(), [""; 0]);
}

#[test]
fn the_cost_is_that_of_the_run() {
    let session = Session::Resume("ses_1".parse().unwrap());
    let output = [INIT, &done("x", 0.005)].join("\n");
    let cost = |before| {
        let mut stream = ClaudeStream::new(&session, before);
        stream.push(output.as_bytes());
        stream.finish();
        stream.result(&succeeded()).cost
    };
    assert_eq!(cost(usd(2)), usd(3));
    // The session's earlier cost is not known, so neither is the run's share.
    assert_eq!(cost(None), None);
}

#[test]
fn a_success_without_any_work_is_a_failure() {
    let empty = done(" ", 0.0);
    assert_eq!(result(&[INIT, &empty].join("\n")).outcome, Outcome::Failed(FailureReason::EmptyResult));
    assert_eq!(result(&[INIT, TOOL, RETURNED, &empty].join("\n")).outcome, Outcome::Completed);
}

#[test]
fn a_missing_session_is_named_so() {
    let missing = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"session_id":"ses_9","errors":["No conversation found with session ID: ses_9"]}"#;
    for session in [Session::Resume("ses_9".parse().unwrap()), Session::Fork("ses_9".parse().unwrap())] {
        let (stream, _) = read_in(&session, missing.as_bytes(), 64);
        let result = stream.result(&End { exit_code: Some(1), ..End::default() });
        assert_eq!(result.outcome, Outcome::Failed(FailureReason::SessionNotFound));
        assert_eq!(result.detail.unwrap(), "No conversation found with session ID: ses_9");
        assert_eq!(result.session, None);
    }
    assert_eq!(result(missing).outcome, Outcome::Failed(FailureReason::AgentError));
}
