//! The lines for the standard input of Claude Code. It is closed once [`ClaudeStream::is_finished`] is true;
//! the process does not exit before.
//!
//! [`ClaudeStream::is_finished`]: crate::ClaudeStream::is_finished

use serde_json::json;

/// Returns the line that gives the agent its prompt.
#[must_use]
pub fn prompt(text: &str) -> String {
    line(&json!({ "type": "user", "message": { "role": "user", "content": text } }))
}

/// Returns the line that interrupts the agent. The agent reports a result, kills the tool that runs, and waits
/// for the end of its input.
#[must_use]
pub fn interrupt(request_id: &str) -> String {
    line(&json!({
        "type": "control_request",
        "request_id": request_id,
        "request": { "subtype": "interrupt" },
    }))
}

/// Returns the line that denies the permission that the agent asks for; see
/// [`ClaudeStream::take_questions`](crate::ClaudeStream::take_questions).
#[must_use]
pub fn deny(request_id: &str) -> String {
    let response = json!({ "behavior": "deny", "message": "No one can answer: the run is unattended." });
    line(&json!({
        "type": "control_response",
        "response": { "subtype": "success", "request_id": request_id, "response": response },
    }))
}

fn line(message: &serde_json::Value) -> String {
    format!("{message}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prompt_is_one_line() {
        let line = prompt("--help\n\"quoted\" \u{2028}\0");
        assert_eq!(line.matches('\n').count(), 1);
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["message"]["content"], "--help\n\"quoted\" \u{2028}\0");
    }
}
