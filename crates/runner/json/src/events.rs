//! Events.

use std::time::Duration;

use rdev_runner_domain::{AgentEventKind, SessionRef, Usage};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::fields::text;

#[derive(Serialize, Deserialize)]
#[serde(remote = "Usage")]
pub(crate) struct UsageForm {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AgentEventKind", tag = "kind", rename_all = "snake_case")]
enum Event {
    SessionStarted {
        #[serde(with = "text")]
        session: SessionRef,
        model: Option<String>,
    },
    TextDelta {
        text: String,
        parent: Option<String>,
    },
    Message {
        text: String,
        parent: Option<String>,
    },
    Thinking {
        text: String,
        parent: Option<String>,
    },
    ToolCall {
        id: String,
        name: String,
        input: String,
        parent: Option<String>,
    },
    ToolResult {
        id: String,
        content: String,
        is_error: bool,
        parent: Option<String>,
    },
    PermissionDenied {
        tool: String,
        id: Option<String>,
        message: String,
    },
    Retry {
        attempt: u32,
        delay: Option<Duration>,
        status: Option<u16>,
        message: String,
    },
    Usage(#[serde(with = "UsageForm")] Usage),
    Warning {
        message: String,
    },
    Raw {
        text: String,
    },
}

/// Writes what happened.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn event_to_json(event: &AgentEventKind) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Form<'a>(#[serde(with = "Event")] &'a AgentEventKind);
    serde_json::to_string(&Form(event))
}

/// Reads what happened.
///
/// # Errors
///
/// Fails if the text is not what [`event_to_json`] writes.
pub fn event_from_json(json: &str) -> Result<AgentEventKind, Error> {
    Event::deserialize(&mut serde_json::Deserializer::from_str(json))
}
