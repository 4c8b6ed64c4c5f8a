//! The end of a turn.

use rdev_runner_domain::{FailureReason, Outcome};
use serde_json::Value;

use super::{Fault, Turn, text};

/// The state of a turn whose session is not busy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// Why the model ended its last message.
    finish: Option<String>,
    fault: Option<Fault>,
    /// The id of the last message, if there is one.
    pub(super) message: Option<String>,
    /// The text of the last message.
    pub(crate) text: String,
}

/// The reason why the adapter has stopped a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) outcome: Outcome,
    pub(crate) detail: Option<String>,
}

impl Turn {
    /// Returns how the turn has ended, or `None` if it has not. `messages` are the newest messages of the
    /// session, the last one last, when the session was not busy.
    pub(crate) fn ending(&self, messages: &Value, is_stopped: bool) -> Option<Ending> {
        let is_ours = |message: &&Value| {
            let info = &message["info"];
            text(info, "role") == "assistant"
                && self.after.as_deref().is_none_or(|newest| text(info, "id") > newest)
        };
        let Some(message) = messages.as_array()?.iter().rev().find(is_ours) else {
            // The model was never asked: the prompt was refused or stopped before, or it has not begun.
            let never_begins = is_stopped || self.fault.is_some();
            return never_begins.then(|| Ending {
                fault: self.fault.clone(),
                text: self.text.clone(),
                ..Ending::default()
            });
        };
        let info = &message["info"];
        info["time"].get("completed")?;
        let parts = message["parts"].as_array().into_iter().flatten();
        let texts: Vec<_> =
            parts.filter(|part| text(part, "type") == "text").map(|part| text(part, "text")).collect();
        let last = texts.join("\n");
        Some(Ending {
            finish: info.get("finish").and_then(Value::as_str).map(str::to_owned),
            fault: info.get("error").map(Fault::read),
            message: Some(text(info, "id").to_owned()),
            text: if last.trim().is_empty() { self.text.clone() } else { last },
        })
    }
}

/// Returns the outcome of a turn, and a sentence about it. An answer that was finished before a stop took
/// effect counts.
pub(crate) fn outcome(turn: &Turn, ending: &Ending, stop: Option<Stop>) -> (Outcome, Option<String>) {
    let finish = ending.finish.as_deref().unwrap_or_default();
    let is_finished = ending.fault.is_none() && matches!(finish, "stop" | "length");
    if let Some(stop) = stop
        && !is_finished
    {
        return (stop.outcome, stop.detail);
    }
    if let Some(fault) = &ending.fault {
        return (Outcome::Failed(reason(fault)), Some(fault.message.clone()));
    }
    if !is_finished {
        let detail = match turn.denials().last() {
            Some(denial) => format!("The agent gave up when it was denied `{}`.", denial.tool),
            None => format!("The agent stopped without an answer ({finish})."),
        };
        return (Outcome::Failed(FailureReason::NoResult), Some(detail));
    }
    if ending.text.trim().is_empty() && turn.called_tools.is_empty() {
        let detail = format!("The model answered nothing ({finish}).");
        return (Outcome::Failed(FailureReason::EmptyResult), Some(detail));
    }
    (Outcome::Completed, None)
}

fn reason(fault: &Fault) -> FailureReason {
    match (fault.name.as_str(), fault.status) {
        ("ProviderAuthError", _) | (_, Some(401 | 403)) => FailureReason::Authentication,
        (_, Some(429 | 529)) => FailureReason::RateLimited,
        ("APIError", _) => FailureReason::ApiError,
        ("MessageAbortedError", _) => FailureReason::Interrupted,
        _ => FailureReason::AgentError,
    }
}
