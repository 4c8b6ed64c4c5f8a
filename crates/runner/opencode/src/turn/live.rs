//! The events that are sent once, and have no number.

use rdev_runner_domain::{AgentEventKind, Denial};
use serde_json::Value;

use super::{Fault, Question, Turn, text};

impl Turn {
    /// Reads an event that is sent once.
    pub(super) fn reads_live(&mut self, event: &Value, events: &mut Vec<AgentEventKind>) {
        let properties = event.get("properties").unwrap_or(&Value::Null);
        let session = text(properties, "sessionID");
        // Events of other sessions and of none: heartbeats, files, plugins.
        let Some(followed) = self.followed.get(session) else { return };
        let (parent, is_main) = (followed.parent.clone(), session == self.session);
        self.has_sign_of_life = true;
        match text(event, "type") {
            "message.part.delta" => {
                if self.text_parts.contains(text(properties, "partID")) && text(properties, "field") == "text"
                {
                    let text = text(properties, "delta").to_owned();
                    events.push(AgentEventKind::TextDelta { text, parent });
                }
            }
            "session.idle" => self.may_have_ended |= is_main,
            "session.status" => self.reads_status(&properties["status"], is_main, events),
            "session.error" => {
                let fault = Fault::read(&properties["error"]);
                if !fault.is_abort() {
                    events.push(AgentEventKind::Warning { message: fault.message.clone() });
                }
                if is_main {
                    // Those that follow are its consequences.
                    self.fault.get_or_insert(fault);
                    self.may_have_ended = true;
                }
            }
            "permission.asked" => {
                let message = "The agent asked for permission, and no one can answer.";
                self.asks(
                    Question::Permission(text(properties, "id").to_owned()),
                    properties,
                    message,
                    events,
                );
            }
            "question.asked" => {
                let message = "The model asked a question, and no one can answer.";
                self.asks(Question::Question(text(properties, "id").to_owned()), properties, message, events);
            }
            // They have a durable twin, answer a request of the runner, or say nothing about the work.
            "message.updated"
            | "message.removed"
            | "message.part.updated"
            | "message.part.removed"
            | "session.created"
            | "session.updated"
            | "session.deleted"
            | "session.diff"
            | "session.compacted"
            | "permission.replied"
            | "question.replied"
            | "question.rejected"
            | "todo.updated" => {}
            _ => events.push(AgentEventKind::Raw { text: event.to_string() }),
        }
    }

    fn reads_status(&mut self, status: &Value, is_main: bool, events: &mut Vec<AgentEventKind>) {
        match text(status, "type") {
            "idle" => self.may_have_ended |= is_main,
            "retry" => {
                let attempt = status.get("attempt").and_then(Value::as_u64).unwrap_or(0);
                self.retries += 1;
                text(status, "message").clone_into(&mut self.retry_message);
                events.push(AgentEventKind::Retry {
                    attempt: attempt.try_into().unwrap_or(u32::MAX),
                    // The event has the time of the next attempt, by a clock of another process.
                    delay: None,
                    status: None,
                    message: text(status, "message").to_owned(),
                });
            }
            _ => {}
        }
    }

    fn asks(
        &mut self,
        question: Question,
        properties: &Value,
        message: &str,
        events: &mut Vec<AgentEventKind>,
    ) {
        let tool = properties.get("permission").and_then(Value::as_str).unwrap_or("question").to_owned();
        let id = properties["tool"].get("callID").and_then(Value::as_str).map(str::to_owned);
        let input = properties.get("metadata").or_else(|| properties.get("questions"));
        self.has_progress = true;
        self.denials.push(Denial { tool: tool.clone(), id: id.clone(), input: input.map(Value::to_string) });
        self.questions.push(question);
        events.push(AgentEventKind::PermissionDenied { tool, id, message: message.to_owned() });
    }
}
