//! The kinds of lines.

use rdev_runner_domain::AgentEventKind;
use serde_json::Value;

use super::Record;
use crate::wire;

impl Record {
    /// Reads a line. Returns whether it is understood.
    pub(crate) fn read(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        let understood = self.dispatch(line, events);
        self.has_spoken |= understood;
        understood
    }

    fn dispatch(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        match wire::text(line, &["type"]).unwrap_or_default() {
            "system" => return self.reads_system(line, events),
            "init" => self.reads_init(line, events),
            "assistant" => self.reads_assistant(line, events),
            "user" => return self.reads_user(line, events),
            "message" => return self.reads_message(line, events),
            "tool_use" => self.calls_tool(wire::tool_call(line, wire::parent(line)), events),
            "tool_result" => self.returns_tool(wire::tool_result(line, wire::parent(line)), events),
            "stream_event" => return self.reads_delta(line, events),
            "result" => self.reads_result(line, events),
            "control_request" => return self.reads_question(line, events),
            "control_cancel_request" => {
                let withdrawn = wire::text(line, &["request_id"]);
                self.questions.retain(|question| Some(&**question) != withdrawn);
            }
            // The answers to the runner's own requests.
            "control_response" => {}
            _ => return false,
        }
        true
    }

    fn reads_system(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        match wire::text(line, &["subtype"]).unwrap_or_default() {
            "init" => self.reads_init(line, events),
            "api_retry" => {
                self.credentials_refused = matches!(wire::status(line, "error_status"), Some(401 | 403));
                events.push(wire::retry(line));
            }
            "permission_denied" => events.push(AgentEventKind::PermissionDenied {
                tool: wire::owned(line, &["tool_name"]),
                id: wire::text(line, &["tool_use_id"]).map(str::to_owned),
                message: wire::owned(line, &["message"]),
            }),
            // It says only that a request to the model was sent.
            "status" => {}
            "background_tasks_changed" => {
                let tasks = line.get("tasks").and_then(Value::as_array);
                self.has_background_tasks = tasks.is_some_and(|tasks| !tasks.is_empty());
                return false;
            }
            _ => return false,
        }
        true
    }

    fn reads_init(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) {
        self.has_begun = true;
        self.turn_is_open = true;
        // Each turn begins with such a line.
        if self.set_session(line)
            && let Some(session) = self.session.clone()
        {
            let model = wire::text(line, &["model"]).map(str::to_owned);
            events.push(AgentEventKind::SessionStarted { session, model });
        }
    }

    fn reads_assistant(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) {
        let parent = wire::parent(line);
        self.turn_is_open |= parent.is_none();
        let content = line.get("message").and_then(|message| message.get("content")).unwrap_or(&Value::Null);
        if line.get("is_api_error_message").and_then(Value::as_bool) == Some(true) {
            self.api_error = wire::text(line, &["error"]).map(str::to_owned);
            events.push(AgentEventKind::Warning { message: wire::content_text(content) });
            return;
        }
        self.credentials_refused = false;
        self.api_error = None;
        match content {
            Value::Array(blocks) => {
                for block in blocks {
                    self.reads_block(block, parent.clone(), events);
                }
            }
            other => self.says(wire::content_text(other), parent, events),
        }
    }

    fn reads_block(&mut self, block: &Value, parent: Option<String>, events: &mut Vec<AgentEventKind>) {
        match wire::text(block, &["type"]).unwrap_or_default() {
            "text" => self.says(wire::owned(block, &["text"]), parent, events),
            "thinking" => {
                events.push(AgentEventKind::Thinking { text: wire::owned(block, &["thinking"]), parent });
            }
            "tool_use" => self.calls_tool(wire::tool_call(block, parent), events),
            _ => events.push(AgentEventKind::Raw { text: block.to_string() }),
        }
    }

    fn reads_user(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        let content = line.get("message").and_then(|message| message.get("content"));
        let Some(Value::Array(blocks)) = content else { return false };
        let is_result = |block: &&Value| wire::text(block, &["type"]) == Some("tool_result");
        let parent = wire::parent(line);
        for block in blocks.iter().filter(is_result) {
            self.returns_tool(wire::tool_result(block, parent.clone()), events);
        }
        blocks.iter().all(|block| is_result(&block))
    }

    fn reads_message(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        let message = line.get("message").filter(|message| message.is_object()).unwrap_or(line);
        if !matches!(wire::text(message, &["role"]), None | Some("assistant")) {
            return false;
        }
        let text = ["content", "text", "message"].iter().find_map(|name| message.get(name));
        let Some(text) = text.map(wire::content_text) else { return false };
        self.turn_is_open = true;
        if line.get("delta").and_then(Value::as_bool) == Some(true) {
            events.push(AgentEventKind::TextDelta { text, parent: None });
        } else {
            self.says(text, None, events);
        }
        true
    }

    fn reads_delta(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        let parent = wire::parent(line);
        self.turn_is_open |= parent.is_none();
        let event = line.get("event").unwrap_or(&Value::Null);
        let delta = event.get("delta").unwrap_or(&Value::Null);
        match (wire::text(event, &["type"]).unwrap_or_default(), wire::text(delta, &["type"])) {
            ("content_block_delta", Some("text_delta")) => {
                events.push(AgentEventKind::TextDelta { text: wire::owned(delta, &["text"]), parent });
                true
            }
            // The whole block follows in a line of its own.
            (kind, _) => matches!(
                kind,
                "content_block_delta"
                    | "content_block_start"
                    | "content_block_stop"
                    | "message_start"
                    | "message_delta"
                    | "message_stop"
                    | "ping"
            ),
        }
    }

    fn reads_question(&mut self, line: &Value, events: &mut Vec<AgentEventKind>) -> bool {
        let request = line.get("request").unwrap_or(&Value::Null);
        let (Some(id), Some("can_use_tool")) =
            (wire::text(line, &["request_id"]), wire::text(request, &["subtype"]))
        else {
            return false;
        };
        self.questions.push(id.to_owned());
        events.push(AgentEventKind::PermissionDenied {
            tool: wire::owned(request, &["tool_name"]),
            id: wire::text(request, &["tool_use_id"]).map(str::to_owned),
            message: "The agent asked for permission, and no one can answer.".to_owned(),
        });
        true
    }

    fn says(&mut self, text: String, parent: Option<String>, events: &mut Vec<AgentEventKind>) {
        if parent.is_none() {
            text.clone_into(&mut self.message);
        }
        events.push(AgentEventKind::Message { text, parent });
    }

    fn calls_tool(&mut self, call: AgentEventKind, events: &mut Vec<AgentEventKind>) {
        if let AgentEventKind::ToolCall { id, parent, .. } = &call {
            self.has_called_tools = true;
            self.turn_is_open |= parent.is_none();
            self.running_tools.insert(id.clone());
        }
        events.push(call);
    }

    fn returns_tool(&mut self, result: AgentEventKind, events: &mut Vec<AgentEventKind>) {
        if let AgentEventKind::ToolResult { id, .. } = &result {
            self.running_tools.remove(id);
        }
        events.push(result);
    }
}
