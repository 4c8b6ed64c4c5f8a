//! A command as the API shows it.

use rdev_http::Text;
use rdev_runner_domain::{
    AgentProvider, AgentRequest, Command, CommandId, ProjectName, SessionRef, Timestamp, Waiting,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{RequestView, ResultView};
use crate::schema_types as types;

/// A command: one run of an agent on a project.
#[derive(Serialize, ToSchema)]
#[schema(as = Command)]
pub(crate) struct CommandView<'a> {
    #[schema(value_type = types::CommandId)]
    id: Text<CommandId>,
    #[schema(value_type = types::ProjectName)]
    project: Text<&'a ProjectName>,
    #[schema(value_type = types::AgentProvider)]
    r#type: Text<&'a AgentProvider>,
    #[schema(value_type = types::CommandStatus)]
    status: &'static str,
    /// Why it waits; `null` if it does not.
    #[schema(value_type = Option<types::WaitReason>, required)]
    waiting_for: Option<&'static str>,
    /// Its place in the queue, 1 for the oldest command; `null` if it does not wait.
    #[schema(required, minimum = 1)]
    position: Option<u64>,
    /// The session: the one that the agent has reported, before that the one that the command continues.
    #[schema(value_type = Option<types::SessionRef>, required)]
    session: Option<Text<&'a SessionRef>>,
    /// The result, once the agent has ended. A command that was cancelled in the queue, or that is lost, has none.
    #[schema(required)]
    result: Option<ResultView<'a>>,
    /// The number of its last event; 0 if there is none.
    last_seq: u64,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    /// When a runner took it.
    #[schema(value_type = Option<types::Timestamp>, required)]
    started_at: Option<Text<Timestamp>>,
    #[schema(value_type = Option<types::Timestamp>, required)]
    ended_at: Option<Text<Timestamp>>,
}

/// A command with its request.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandDetail)]
pub(crate) struct CommandDetail<'a> {
    #[serde(flatten)]
    command: CommandView<'a>,
    request: RequestView<'a>,
}

impl<'a> CommandView<'a> {
    pub(crate) fn new(command: &'a Command, waiting: Option<Waiting>) -> Self {
        let (started_at, ended_at) = command.state.times();
        Self {
            id: Text(command.id),
            project: Text(&command.project),
            r#type: Text(&command.provider),
            status: command.state.status().as_str(),
            waiting_for: waiting.map(|waiting| waiting.reason.as_str()),
            position: waiting.map(|waiting| waiting.position),
            session: command.session.as_ref().map(Text),
            result: command.result.as_ref().map(ResultView::from),
            last_seq: command.last_seq,
            created_at: Text(command.created_at),
            started_at: started_at.map(Text),
            ended_at: ended_at.map(Text),
        }
    }
}

impl<'a> CommandDetail<'a> {
    pub(crate) fn new(command: &'a Command, waiting: Option<Waiting>, request: &'a AgentRequest) -> Self {
        Self { command: CommandView::new(command, waiting), request: request.into() }
    }
}
