//! An event of a command as the API shows it.

use rdev_http::Text;
use rdev_runner_domain::{AgentEvent, AgentEventKind, SessionRef, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::UsageView;
use crate::schema_types as types;

/// Something that happened in the run of a command. Which members it has besides `seq`, `at` and `kind` depends on the
/// kind.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandEvent)]
pub(crate) struct EventView<'a> {
    /// The number among the events of the command: 1, 2, 3, without gaps.
    #[schema(minimum = 1)]
    seq: u64,
    /// When the runner received it.
    #[schema(value_type = types::Timestamp)]
    at: Text<Timestamp>,
    #[schema(value_type = types::EventKind)]
    kind: &'static str,
    /// `session_started`: the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::SessionRef, required = false)]
    session: Option<Text<&'a SessionRef>>,
    /// `session_started`: the model, if the agent names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    model: Option<&'a str>,
    /// `text_delta`, `message`, `thinking`, `raw`: the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    text: Option<&'a str>,
    /// The tool call that started the subagent that this concerns; absent for the agent itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    parent: Option<&'a str>,
    /// `tool_call`, `tool_result`, `permission_denied`: the id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    id: Option<&'a str>,
    /// `tool_call`: the name of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    name: Option<&'a str>,
    /// `tool_call`: the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    input: Option<JsonText<'a>>,
    /// `tool_result`: what the tool returned, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    content: Option<&'a str>,
    /// `tool_result`: whether the tool reports a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    is_error: Option<bool>,
    /// `permission_denied`: the name of the tool, or the kind of the permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    tool: Option<&'a str>,
    /// `permission_denied`, `retry`, `warning`: an explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    message: Option<&'a str>,
    /// `retry`: the number of the attempt that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    attempt: Option<u32>,
    /// `retry`: the wait before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    delay_ms: Option<u64>,
    /// `retry`: the HTTP status of the model's API, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u16, required = false)]
    status: Option<u16>,
    /// `usage`: the tokens that the agent has used since its last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UsageView, required = false)]
    usage: Option<UsageView>,
}

/// JSON as text, shown as JSON; a text that is no JSON is shown as a string.
pub(crate) enum JsonText<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> JsonText<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

impl Serialize for JsonText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl<'a> EventView<'a> {
    /// Returns an event without the members of its kind.
    fn of_kind(event: &AgentEvent, kind: &'static str) -> Self {
        Self {
            seq: event.seq,
            at: Text(event.at),
            kind,
            session: None,
            model: None,
            text: None,
            parent: None,
            id: None,
            name: None,
            input: None,
            content: None,
            is_error: None,
            tool: None,
            message: None,
            attempt: None,
            delay_ms: None,
            status: None,
            usage: None,
        }
    }
}

impl<'a> From<&'a AgentEvent> for EventView<'a> {
    fn from(event: &'a AgentEvent) -> Self {
        let view = |kind| Self::of_kind(event, kind);
        let written = |kind, text: &'a str, parent: &'a Option<String>| Self {
            text: Some(text),
            parent: parent.as_deref(),
            ..view(kind)
        };
        match &event.kind {
            AgentEventKind::SessionStarted { session, model } => {
                Self { session: Some(Text(session)), model: model.as_deref(), ..view("session_started") }
            }
            AgentEventKind::TextDelta { text, parent } => written("text_delta", text, parent),
            AgentEventKind::Message { text, parent } => written("message", text, parent),
            AgentEventKind::Thinking { text, parent } => written("thinking", text, parent),
            AgentEventKind::ToolCall { id, name, input, parent } => Self {
                id: Some(id),
                name: Some(name),
                input: Some(JsonText::new(input)),
                parent: parent.as_deref(),
                ..view("tool_call")
            },
            AgentEventKind::ToolResult { id, content, is_error, parent } => Self {
                id: Some(id),
                content: Some(content),
                is_error: Some(*is_error),
                parent: parent.as_deref(),
                ..view("tool_result")
            },
            AgentEventKind::PermissionDenied { tool, id, message } => Self {
                tool: Some(tool),
                id: id.as_deref(),
                message: Some(message),
                ..view("permission_denied")
            },
            AgentEventKind::Retry { attempt, delay, status, message } => Self {
                attempt: Some(*attempt),
                delay_ms: delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
                status: *status,
                message: Some(message),
                ..view("retry")
            },
            AgentEventKind::Usage(usage) => Self { usage: Some((*usage).into()), ..view("usage") },
            AgentEventKind::Warning { message } => Self { message: Some(message), ..view("warning") },
            AgentEventKind::Raw { text } => Self { text: Some(text), ..view("raw") },
        }
    }
}
