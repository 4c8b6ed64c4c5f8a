//! Commands and their events.

use http::Method;
use rdev_client::{Call, Error, Operation, Page, PageRequest, Query, Reply};
use serde::Serialize;

use crate::{Client, Command, CommandEvent, CommandEvents};

const CREATE: Operation =
    Operation { id: "createCommand", method: Method::POST, path: "/projects/{name}/commands" };
const LIST: Operation = Operation { id: "listCommands", method: Method::GET, path: "/commands" };
const GET: Operation = Operation { id: "getCommand", method: Method::GET, path: "/commands/{id}" };
const DELETE: Operation = Operation { id: "deleteCommand", method: Method::DELETE, path: "/commands/{id}" };
const CANCEL: Operation =
    Operation { id: "cancelCommand", method: Method::POST, path: "/commands/{id}/cancel" };
const RUN_AGAIN: Operation =
    Operation { id: "runCommandAgain", method: Method::POST, path: "/commands/{id}/run-again" };
const EVENTS: Operation =
    Operation { id: "listCommandEvents", method: Method::GET, path: "/commands/{id}/events" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&CREATE, &LIST, &GET, &DELETE, &CANCEL, &RUN_AGAIN, &EVENTS];

/// A command to run. What is not set comes from the project.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewCommand {
    /// The provider.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What the agent is asked to do.
    pub prompt: String,
    /// The session that it continues; `None` for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<NewSession>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The limits.
    #[serde(skip_serializing_if = "NewLimits::is_empty")]
    pub limits: NewLimits,
    /// What the agent may do: `read-only`, `edit` or `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// The tools that the agent may use in addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// The tools that the agent may not use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied_tools: Option<Vec<String>>,
    /// The names of the secrets that the agent finds in its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
}

impl NewCommand {
    /// Creates a command with the settings of its project.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), ..Self::default() }
    }
}

/// The session that a command continues.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NewSession {
    /// This session itself.
    Resume(String),
    /// A copy of this session.
    Fork(String),
}

/// The limits of a run. `None` leaves a limit as the project has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NewLimits {
    /// From the start of the command to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Without any output while no tool runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// Without any output while a tool runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_idle_ms: Option<u64>,
    /// From the start of the command to the agent's first output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<u64>,
    /// The number of turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// The budget in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_budget_usd: Option<f64>,
}

impl NewLimits {
    /// Returns whether no limit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which commands. Every member narrows the selection.
#[derive(Debug, Clone, Default)]
pub struct CommandFilter {
    /// The project.
    pub project: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The status.
    pub status: Option<String>,
}

impl CommandFilter {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("project", self.project.as_ref());
        query.add("type", self.provider.as_ref());
        query.add("status", self.status.as_ref());
        query
    }
}

impl Client {
    /// Queues a command of a project.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn create_command(&self, project: &str, command: &NewCommand) -> Result<Reply<Command>, Error> {
        self.0.send(Call::new(&CREATE, &[project])?.json(command)?).await
    }

    /// Lists commands, newest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_commands(
        &self,
        filter: &CommandFilter,
        page: &PageRequest,
    ) -> Result<Reply<Page<Command>>, Error> {
        self.0.list(&LIST, &[], filter.query(), page).await
    }

    /// Returns a command with its request.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_command(&self, id: &str) -> Result<Reply<Command>, Error> {
        self.0.plain(&GET, &[id]).await
    }

    /// Deletes an ended command with its events.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn delete_command(&self, id: &str) -> Result<(), Error> {
        self.0.send_delete(Call::new(&DELETE, &[id])?).await
    }

    /// Cancels a command. A command that runs ends later: see [`Client::follow_command`].
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn cancel_command(&self, id: &str) -> Result<Reply<Command>, Error> {
        self.0.plain(&CANCEL, &[id]).await
    }

    /// Queues the request of a command as a new command.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn run_command_again(&self, id: &str) -> Result<Reply<Command>, Error> {
        self.0.plain(&RUN_AGAIN, &[id]).await
    }

    /// Lists the events of a command, oldest first.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_command_events(
        &self,
        id: &str,
        page: &PageRequest,
    ) -> Result<Reply<Page<CommandEvent>>, Error> {
        self.0.list(&EVENTS, &[id], Query::default(), page).await
    }

    /// Follows a command: its events after the one with the number `after`, or all of them, and then its end.
    ///
    /// # Errors
    /// Fails if the id is no id.
    pub fn follow_command(&self, id: &str, after: Option<u64>) -> Result<CommandEvents, Error> {
        let call = Call::new(&EVENTS, &[id])?;
        let cursor = after.map(|seq| seq.to_string());
        Ok(CommandEvents::new(self.clone(), self.0.stream(call, cursor)))
    }
}
