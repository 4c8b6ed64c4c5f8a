//! What an agent reports while it runs.

use std::ops::{Add, AddAssign};
use std::time::Duration;

use crate::{SessionRef, Timestamp};

/// Something that happened in the run of a command, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEvent {
    /// The number among the stored events of the command: 1, 2, 3, without gaps.
    pub seq: u64,
    /// When it was received.
    pub at: Timestamp,
    /// What happened.
    pub kind: AgentEventKind,
}

/// Something that happened in a run. `parent` is the id of the tool call that started the subagent that it
/// concerns; `None` for the agent itself.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentEventKind {
    /// The agent has named the session.
    SessionStarted {
        /// The session.
        session: SessionRef,
        /// The model, if the agent names it.
        model: Option<String>,
    },
    /// A part of a message, while the model writes it.
    TextDelta {
        /// The part.
        text: String,
        /// The tool call of the subagent.
        parent: Option<String>,
    },
    /// A whole message of the model.
    Message {
        /// The text.
        text: String,
        /// The tool call of the subagent.
        parent: Option<String>,
    },
    /// What the model thinks before it answers.
    Thinking {
        /// The text.
        text: String,
        /// The tool call of the subagent.
        parent: Option<String>,
    },
    /// The model calls a tool.
    ToolCall {
        /// The id of the call.
        id: String,
        /// The name of the tool.
        name: String,
        /// The arguments, as JSON.
        input: String,
        /// The tool call of the subagent.
        parent: Option<String>,
    },
    /// A tool has returned.
    ToolResult {
        /// The id of the call.
        id: String,
        /// What the tool returned, as text.
        content: String,
        /// Whether the tool reports a failure.
        is_error: bool,
        /// The tool call of the subagent.
        parent: Option<String>,
    },
    /// The agent may not do what it asked for.
    PermissionDenied {
        /// The name of the tool, or the kind of the permission.
        tool: String,
        /// The id of the call.
        id: Option<String>,
        /// The agent's explanation.
        message: String,
    },
    /// A request to the model failed, and the agent tries again.
    Retry {
        /// The number of the attempt that failed.
        attempt: u32,
        /// The wait before the next one.
        delay: Option<Duration>,
        /// The HTTP status of the model's API, if it answered.
        status: Option<u16>,
        /// The agent's explanation.
        message: String,
    },
    /// The tokens that the agent has used since its last report.
    Usage(Usage),
    /// Something that the reader of the events should know: a line that was too long, dropped deltas.
    Warning {
        /// A sentence.
        message: String,
    },
    /// Output that the adapter does not understand.
    Raw {
        /// The output, with replacement characters for what is not UTF-8.
        text: String,
    },
}

/// Numbers of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens that the model has read, without those from its cache.
    pub input_tokens: u64,
    /// Tokens that the model has written.
    pub output_tokens: u64,
    /// Tokens that the model has read from its cache.
    pub cache_read_tokens: u64,
    /// Tokens that the model has written to its cache.
    pub cache_write_tokens: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
