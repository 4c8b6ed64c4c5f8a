//! The older dialect.

use rdev_runner_domain::{AgentEventKind, FailureReason, Outcome, Usd};

use crate::{message, read, result};

#[test]
fn lines_whose_kind_is_their_type_are_understood() {
    let output = concat!(
        r#"{"type":"init","session_id":"ses_1","model":"m"}"#,
        "\n",
        r#"{"type":"message","role":"assistant","content":"Loo","delta":true}"#,
        "\n",
        r#"{"type":"message","content":[{"type":"text","text":"Looking."}]}"#,
        "\n",
        r#"{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}"#,
        "\n",
        r#"{"type":"tool_result","tool_use_id":"t1","content":"README.md"}"#,
        "\n",
        r#"{"type":"message","message":{"role":"assistant","content":"Found it."}}"#,
        "\n",
        r#"{"type":"result","cost_usd":0.25}"#,
        "\n",
    );
    let (stream, events) = read(output.as_bytes(), 11);
    let (id, parent) = ("t1".to_owned(), None);
    let expected = [
        AgentEventKind::SessionStarted { session: "ses_1".parse().unwrap(), model: Some("m".into()) },
        AgentEventKind::TextDelta { text: "Loo".into(), parent: None },
        message("Looking."),
        AgentEventKind::ToolCall {
            id: id.clone(),
            name: "Bash".into(),
            input: r#"{"command":"ls"}"#.into(),
            parent: parent.clone(),
        },
        AgentEventKind::ToolResult { id, content: "README.md".into(), is_error: false, parent },
        message("Found it."),
    ];
    assert_eq!(events, expected);
    let result = stream.result(&crate::succeeded());
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Found it."));
    assert_eq!(
        (result.session.unwrap().as_str(), result.cost),
        ("ses_1", Some(Usd::from_nanos(250_000_000)))
    );
}

#[test]
fn a_result_tells_success_from_failure() {
    for (line, success) in [
        (r#"{"type":"result","result":"x"}"#, true),
        (r#"{"type":"result","result":"x","subtype":"success"}"#, true),
        (r#"{"type":"result","result":"x","status":"success"}"#, true),
        (r#"{"type":"result","result":"x","is_error":true}"#, false),
        (r#"{"type":"result","result":"x","subtype":"success","is_error":true}"#, false),
        (r#"{"type":"result","result":"x","status":"error"}"#, false),
        (r#"{"type":"result","error":"x"}"#, false),
        (r#"{"type":"result","subtype":"error_of_the_future","is_error":false}"#, false),
    ] {
        let result = result(line);
        let expected = if success { Outcome::Completed } else { Outcome::Failed(FailureReason::AgentError) };
        assert_eq!(result.outcome, expected, "{line}");
    }
}
