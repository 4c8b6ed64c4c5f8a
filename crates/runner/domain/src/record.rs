//! Commands as they are stored and shown.

use crate::{
    AgentEvent, AgentProvider, AgentResult, CommandId, CommandState, CommandStatus, ProjectName, SessionRef,
    Timestamp,
};

/// The size of a page of events, by the bytes that are stored, after which no further event is added: 1 MiB.
pub const MAX_EVENT_PAGE_BYTES: usize = 1 << 20;

/// A command without its request.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The id.
    pub id: CommandId,
    /// The project.
    pub project: ProjectName,
    /// The agent.
    pub provider: AgentProvider,
    /// The state.
    pub state: CommandState,
    /// The session: the one that the agent has reported, before that the one that the command continues.
    pub session: Option<SessionRef>,
    /// The result, once the agent has ended; a command that was cancelled in the queue or is lost has none.
    pub result: Option<AgentResult>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The number of the last stored event.
    pub last_seq: u64,
}

/// Which commands a list contains. Each given part applies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandFilter {
    /// Those of this project.
    pub project: Option<ProjectName>,
    /// Those of this provider.
    pub provider: Option<AgentProvider>,
    /// Those in this state.
    pub status: Option<CommandStatus>,
}

/// A page of a command's events, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<AgentEvent>,
    /// Whether later events are stored.
    pub has_more: bool,
    /// Whether the command has ended, so that no later event will be stored.
    pub has_ended: bool,
}
