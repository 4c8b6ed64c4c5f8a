//! What is known of a run from its output.

mod lines;
mod outcome;

use std::collections::BTreeSet;

use rdev_runner_domain::{AgentEventKind, Denial, SessionRef, Usage, Usd};
use serde_json::Value;

use crate::wire;

/// What is known of a run from its output.
#[derive(Debug)]
pub(crate) struct Record {
    /// Whether the run continues a session that must exist.
    continues: bool,
    /// What the session had cost before the latest result, if known.
    cost_before: Option<Usd>,
    session: Option<SessionRef>,
    /// Whether any line was understood.
    has_spoken: bool,
    /// Whether the agent has begun a turn.
    has_begun: bool,
    /// Whether the agent has begun a turn since its latest result.
    turn_is_open: bool,
    /// Whether tasks run in the background.
    has_background_tasks: bool,
    running_tools: BTreeSet<String>,
    has_called_tools: bool,
    questions: Vec<String>,
    /// The latest message of the agent itself.
    message: String,
    credentials_refused: bool,
    /// The kind of the API error that the agent has reported as a message.
    api_error: Option<String>,
    usage: Usage,
    cost: Option<Usd>,
    denials: Vec<Denial>,
    /// The latest result.
    reported: Option<Reported>,
}

/// A `result` line.
#[derive(Debug)]
struct Reported {
    is_success: bool,
    subtype: String,
    terminal_reason: Option<String>,
    api_status: Option<u16>,
    text: Option<String>,
    error: Option<String>,
    /// Prompts that wait for their turn.
    queued: u64,
}

impl Record {
    pub(crate) const fn new(continues: bool, cost_before: Option<Usd>) -> Self {
        Self {
            continues,
            cost_before,
            session: None,
            has_spoken: false,
            has_begun: false,
            turn_is_open: false,
            has_background_tasks: false,
            running_tools: BTreeSet::new(),
            has_called_tools: false,
            questions: Vec::new(),
            message: String::new(),
            credentials_refused: false,
            api_error: None,
            usage: Usage { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 },
            cost: None,
            denials: Vec::new(),
            reported: None,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        let has_reported = self.reported.as_ref().is_some_and(|reported| reported.queued == 0);
        has_reported && !self.turn_is_open && !self.has_background_tasks
    }

    pub(crate) const fn credentials_refused(&self) -> bool {
        self.credentials_refused
    }

    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    pub(crate) fn tool_is_running(&self) -> bool {
        !self.running_tools.is_empty()
    }

    pub(crate) fn take_questions(&mut self) -> Vec<String> {
        std::mem::take(&mut self.questions)
    }

    fn reads_result(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) {
        self.turn_is_open = false;
        self.running_tools.clear();
        self.set_session(line);
        self.account(line, events);
        let denials = line.get("permission_denials").and_then(Value::as_array);
        for denial in denials.into_iter().flatten().map(denial) {
            if !self.denials.contains(&denial) {
                self.denials.push(denial);
            }
        }
        let subtype = wire::owned(line, &["subtype", "status"]);
        let errors = line.get("errors").and_then(Value::as_array);
        let error = errors.and_then(|errors| errors.first()?.as_str()).or(wire::text(line, &["error"]));
        let is_error = line.get("is_error").and_then(Value::as_bool);
        self.reported = Some(Reported {
            // A line of the older dialect may have neither member.
            is_success: !is_error.unwrap_or(error.is_some()) && matches!(&*subtype, "success" | "" | "ok"),
            subtype,
            terminal_reason: wire::text(line, &["terminal_reason"]).map(str::to_owned),
            api_status: wire::status(line, "api_error_status"),
            text: wire::text(line, &["result", "text", "content"]).map(str::to_owned),
            error: error.map(str::to_owned),
            queued: line.get("queued_turn_count").and_then(Value::as_u64).unwrap_or(0),
        });
    }

    /// Adds the tokens and the cost since the result before.
    fn account(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) {
        let total = wire::dollars(line, &["total_cost_usd", "cost_usd"]);
        let models = line.get("model_usage_since_last_result").and_then(Value::as_object);
        let (usage, cost) = match models.map(wire::model_usage) {
            Some((usage, cost)) => (usage, Some(cost)),
            None => {
                let cost = match (total, self.cost_before) {
                    (Some(total), Some(before)) => Some(total.saturating_sub(before)),
                    (Some(Usd::ZERO), None) => Some(Usd::ZERO),
                    _ => None,
                };
                (line.get("usage").map(wire::usage).unwrap_or_default(), cost)
            }
        };
        self.cost_before = total.or(self.cost_before);
        self.usage += usage;
        self.cost = match (self.cost, cost) {
            (Some(earlier), Some(cost)) => Some(earlier + cost),
            (earlier, cost) => earlier.or(cost),
        };
        if usage != Usage::default() {
            events.push(AgentEventKind::Usage(usage));
        }
    }

    /// Returns whether the line names another session than before.
    fn set_session(&mut self, line: &Value) -> bool {
        let named = wire::text(line, &["session_id"]).and_then(|text| text.parse().ok());
        let is_new = named.is_some() && named != self.session;
        if is_new {
            self.session = named;
        }
        is_new
    }
}

fn denial(entry: &Value) -> Denial {
    Denial {
        tool: wire::owned(entry, &["tool_name"]),
        id: wire::text(entry, &["tool_use_id"]).map(str::to_owned),
        input: entry.get("tool_input").map(Value::to_string),
    }
}
