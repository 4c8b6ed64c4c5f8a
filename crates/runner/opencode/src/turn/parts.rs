//! The parts of messages.

use rdev_runner_domain::{AgentEventKind, Usage};
use serde_json::Value;

use super::{Turn, text, usage};

impl Turn {
    /// Reads a part of a message in its present state. A part comes again with each change.
    pub(super) fn reads_part(&mut self, session: &str, part: &Value, events: &mut Vec<AgentEventKind>) {
        // The message comes before its parts, and those of the user are no news.
        if !self.messages.contains_key(text(part, "messageID")) {
            return;
        }
        let id = text(part, "id").to_owned();
        let is_main = session == self.session;
        let parent = self.followed.get(session).and_then(|followed| followed.parent.clone());
        let is_whole = part.get("time").is_some_and(|time| time.get("end").is_some());
        let content = text(part, "text").to_owned();
        match text(part, "type") {
            "text" => {
                self.text_parts.insert(id.clone());
                if is_whole && !content.is_empty() && self.reported_parts.insert(id) {
                    if is_main {
                        content.clone_into(&mut self.text);
                    }
                    events.push(AgentEventKind::Message { text: content, parent });
                }
            }
            "reasoning" => {
                if is_whole && !content.is_empty() && self.reported_parts.insert(id) {
                    events.push(AgentEventKind::Thinking { text: content, parent });
                }
            }
            "tool" => self.reads_tool(id, part, parent, events),
            "step-finish" => {
                if self.reported_parts.insert(id) {
                    if is_main {
                        self.steps += 1;
                        self.continues = !matches!(text(part, "reason"), "stop" | "length");
                        self.retries = 0;
                    }
                    let usage = usage(&part["tokens"]);
                    events.extend((usage != Usage::default()).then_some(AgentEventKind::Usage(usage)));
                }
            }
            // Marks between steps, and the state of the files before and after them.
            "step-start" | "snapshot" | "patch" => {}
            _ => {
                if self.reported_parts.insert(id) {
                    events.push(AgentEventKind::Raw { text: part.to_string() });
                }
            }
        }
    }

    fn reads_tool(
        &mut self,
        part_id: String,
        part: &Value,
        parent: Option<String>,
        events: &mut Vec<AgentEventKind>,
    ) {
        let state = &part["state"];
        let id = text(part, "callID").to_owned();
        if let Some(subagent) = state["metadata"].get("sessionId").and_then(Value::as_str) {
            self.followed.entry(subagent.to_owned()).or_default().parent = Some(id.clone());
        }
        let status = text(state, "status");
        let has_ended = matches!(status, "completed" | "error");
        // The arguments of a pending call are not complete.
        if (status == "running" || has_ended) && self.called_tools.insert(part_id.clone()) {
            events.push(AgentEventKind::ToolCall {
                id: id.clone(),
                name: text(part, "tool").to_owned(),
                input: state.get("input").map_or_else(|| "{}".to_owned(), Value::to_string),
                parent: parent.clone(),
            });
        }
        if has_ended {
            self.running_tools.remove(&part_id);
        } else if status == "running" {
            self.running_tools.insert(part_id.clone());
        }
        if has_ended && self.reported_parts.insert(part_id) {
            let content = if status == "error" { text(state, "error") } else { text(state, "output") };
            events.push(AgentEventKind::ToolResult {
                id,
                content: content.to_owned(),
                is_error: status == "error",
                parent,
            });
        }
    }
}
