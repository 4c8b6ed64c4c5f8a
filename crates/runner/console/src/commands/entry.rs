//! Something that happened in a run, as an item of its transcript.

use std::time::Duration;

use askama::Template;
use rdev_pages::{Icon, Moment, View};
use rdev_runner_domain::{AgentEvent, AgentEventKind};
use serde_json::Value;

use crate::text::{Cut, MAX_DETAIL, MAX_PROSE, first_line};

/// The arguments of a tool call that say most about it, in this order.
const TELLING_ARGUMENTS: [&str; 10] = [
    "command",
    "file_path",
    "filePath",
    "path",
    "notebook_path",
    "pattern",
    "url",
    "query",
    "description",
    "prompt",
];
/// The number of characters of a summary.
const MAX_SUMMARY: usize = 160;

/// An item of a transcript.
#[derive(Template)]
#[template(path = "commands/entry.html")]
pub(super) struct Entry {
    pub(super) seq: u64,
    /// The address of the command's page.
    pub(super) path: String,
    pub(super) at: Moment,
    /// The tool call that started the subagent that this concerns.
    pub(super) parent: Option<String>,
    pub(super) part: Part,
}

/// What happened.
pub(super) enum Part {
    Session {
        session: String,
        model: Option<String>,
    },
    /// A part of a message that the model still writes.
    Delta(Cut),
    Message(Cut),
    Thinking(Cut),
    Call {
        id: String,
        name: String,
        summary: String,
        input: Cut,
        result: Option<ToolResult>,
    },
    /// A result whose call the page does not show.
    Result {
        id: String,
        result: ToolResult,
    },
    Denied {
        tool: String,
        message: Cut,
    },
    Retry {
        what: String,
        message: Cut,
    },
    Warning(Cut),
    Raw(Cut),
}

/// What a tool has returned.
pub(super) struct ToolResult {
    seq: u64,
    content: Cut,
    is_error: bool,
}

impl Entry {
    /// Returns an event as an item of the transcript at `path`; `None` if it is no part of a transcript.
    pub(super) fn new(view: &View, path: &str, event: &AgentEvent) -> Option<Self> {
        let prose = |text: &str| Cut::new(text, MAX_PROSE);
        let detail = |text: &str| Cut::new(text, MAX_DETAIL);
        let mut of = None;
        let mut within = |parent: &Option<String>| of.clone_from(parent);
        let part = match &event.kind {
            AgentEventKind::SessionStarted { session, model } => {
                Part::Session { session: session.to_string(), model: model.clone() }
            }
            AgentEventKind::TextDelta { text, parent } => {
                within(parent);
                Part::Delta(prose(text))
            }
            AgentEventKind::Message { text, parent } => {
                within(parent);
                Part::Message(prose(text))
            }
            AgentEventKind::Thinking { text, parent } => {
                within(parent);
                Part::Thinking(detail(text))
            }
            AgentEventKind::ToolCall { id, name, input, parent } => {
                within(parent);
                let (id, name, summary) = (id.clone(), name.clone(), summary(input));
                Part::Call { id, name, summary, input: Cut::of_json(input, MAX_DETAIL), result: None }
            }
            AgentEventKind::ToolResult { id, content, is_error, parent } => {
                within(parent);
                let result = ToolResult { seq: event.seq, content: detail(content), is_error: *is_error };
                Part::Result { id: id.clone(), result }
            }
            AgentEventKind::PermissionDenied { tool, message, .. } => {
                Part::Denied { tool: tool.clone(), message: detail(message) }
            }
            AgentEventKind::Retry { attempt, delay, status, message } => {
                Part::Retry { what: retry(*attempt, *delay, *status), message: detail(message) }
            }
            AgentEventKind::Usage(_) => return None,
            AgentEventKind::Warning { message } => Part::Warning(detail(message)),
            AgentEventKind::Raw { text } => Part::Raw(detail(text)),
        };
        Some(Self { seq: event.seq, path: path.to_owned(), at: view.moment(event.at), parent: of, part })
    }

    /// Returns the kind of the item, by which the script joins items.
    fn name(&self) -> &'static str {
        match self.part {
            Part::Session { .. } => "session",
            Part::Delta(_) => "delta",
            Part::Message(_) => "message",
            Part::Thinking(_) => "thinking",
            Part::Call { .. } => "call",
            Part::Result { .. } => "result",
            Part::Denied { .. } => "denied",
            Part::Retry { .. } => "retry",
            Part::Warning(_) => "warning",
            Part::Raw(_) => "raw",
        }
    }

    /// Returns the id of the tool call that the item belongs to.
    fn call(&self) -> Option<&str> {
        match &self.part {
            Part::Call { id, .. } | Part::Result { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// Returns the argument of a tool call that says most about it.
fn summary(input: &str) -> String {
    // A large argument is long to parse, and its page is not worth it.
    let short = if input.len() <= 16 * MAX_DETAIL { input } else { "" };
    let arguments: Value = serde_json::from_str(short).unwrap_or_default();
    let telling = TELLING_ARGUMENTS.iter().find_map(|name| arguments.get(name)?.as_str());
    first_line(telling.unwrap_or_default(), MAX_SUMMARY)
}

fn retry(attempt: u32, delay: Option<Duration>, status: Option<u16>) -> String {
    let status = status.map(|status| format!(" ({status})")).unwrap_or_default();
    let next = delay.map(|delay| format!(", the next follows in {}", rdev_pages::duration(delay)));
    format!("Attempt {attempt} at the model failed{status}{}", next.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_summarised_by_its_telling_argument() {
        assert_eq!(summary(r#"{"description":"x","command":"\n cargo test\nls"}"#), "cargo test");
        assert_eq!(summary(r#"{"other":1}"#), "");
        assert_eq!(summary("no json"), "");
        assert_eq!(
            retry(2, Some(Duration::from_secs(3)), Some(529)),
            "Attempt 2 at the model failed (529), the next follows in 3.00 s"
        );
    }
}
