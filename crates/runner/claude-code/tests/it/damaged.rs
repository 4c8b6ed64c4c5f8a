//! Output that is damaged, foreign or too long.

use rdev_runner_domain::{AgentEventKind, FailureReason, MAX_LINE_BYTES, Outcome};

use crate::{message, raw, read, result};

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"ses_1"}"#;
const DONE: &str = r#"{"result":"Done.","type":"result","subtype":"success","is_error":false}"#;

#[test]
fn what_is_not_understood_is_kept_as_it_is() {
    let strange = [
        "Welcome to the agent!",
        "{",
        "[1]",
        "42",
        r#"{"no":"type"}"#,
        r#"{"type":7}"#,
        r#"{"type":"from_the_future","result":"x"}"#,
        r#"{"type":"system","subtype":"from_the_future"}"#,
    ];
    let output = format!("\u{feff}{}\n\n  \n{INIT}\n{DONE}\n", strange.join("\n"));
    let (stream, events) = read(output.as_bytes(), 16);
    assert_eq!(events[..strange.len()], strange.map(raw));
    assert!(stream.is_finished());
    assert_eq!(result(&output).outcome, Outcome::Completed);
}

#[test]
fn bytes_that_are_not_text_are_replaced() {
    let (_, events) = read(b"\xff\xfe banner\n", 3);
    assert_eq!(events, [raw("\u{fffd}\u{fffd} banner")]);
}

#[test]
fn a_text_that_was_cut_within_a_character_is_read() {
    let line = r#"{"type":"result","subtype":"success","is_error":false,"result":"cut \ud83d"}"#;
    assert_eq!(result(line).text, "cut \u{fffd}");
}

#[test]
fn a_tail_that_was_cut_is_no_result() {
    let output = format!("{INIT}\n{}", &DONE[..DONE.len() - 1]);
    let result = result(&output);
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::NoResult));
    assert_eq!(result.session.unwrap().as_str(), "ses_1");
}

#[test]
fn a_result_without_a_line_end_counts() {
    assert_eq!(result(&format!("{INIT}\n{DONE}")).text, "Done.");
}

#[test]
fn a_line_of_16_mib_is_read_and_a_longer_one_is_reported() {
    let line = |length: usize| {
        let frame = r#"{"type":"assistant","message":{"content":""}}"#.len();
        format!(r#"{{"type":"assistant","message":{{"content":"{}"}}}}"#, "x".repeat(length - frame))
    };
    let output = format!("{INIT}\n{}\n{}\n{DONE}\n", line(MAX_LINE_BYTES), line(MAX_LINE_BYTES + 1));
    let (stream, events) = read(output.as_bytes(), 64 * 1024);
    assert!(matches!(&events[1], AgentEventKind::Message { text, .. } if text.len() > 16_000_000));
    let warning = "A line of 16777217 bytes was dropped, because it is too long.".to_owned();
    assert_eq!(events[2], AgentEventKind::Warning { message: warning });
    assert!(stream.is_finished());
}

#[test]
fn deep_nesting_is_no_danger() {
    let deep = format!(r#"{{"type":"result","x":{}"#, "[".repeat(100_000));
    assert_eq!(read(deep.as_bytes(), 4_096).1, [raw(&deep)]);
}

#[test]
fn members_of_other_types_do_no_harm() {
    let output = concat!(
        r#"{"type":"assistant","message":7}"#,
        "\n",
        r#"{"type":"system","subtype":"api_retry","attempt":-1,"retry_delay_ms":-5,"error_status":"x"}"#,
        "\n",
        r#"{"type":"result","subtype":"success","is_error":"no","result":["x"],"usage":[],"total_cost_usd":-1,"#,
        r#""permission_denials":{},"errors":[7],"queued_turn_count":"1"}"#,
    );
    let (stream, events) = read(output.as_bytes(), 5);
    let retry = AgentEventKind::Retry { attempt: 0, delay: None, status: None, message: String::new() };
    assert_eq!(events, [message(""), retry]);
    assert_eq!(stream.result(&crate::succeeded()).cost, None);
}
