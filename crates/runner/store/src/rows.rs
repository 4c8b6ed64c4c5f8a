//! What is stored, as the domain has it.

use std::fmt::Display;
use std::num::TryFromIntError;
use std::str::FromStr;

use rdev_runner_domain::ports::{CommandRefusal, StoreError};
use rdev_runner_domain::{
    AgentEvent, AgentRequest, Command, CommandId, CommandState, CommandStatus, EventLog, Outcome, Project,
    ProjectNameError, Timestamp,
};
use rdev_runner_json::{event_from_json, request_from_json, result_from_json, settings_from_json};

use crate::error::corrupt;

const COMMANDS: &str = "commands";
const EVENTS: &str = "events";
const PROJECTS: &str = "projects";

/// A command without its request.
#[derive(Debug)]
pub struct StoredCommand {
    /// The id.
    pub id: CommandId,
    /// The name of the project.
    pub project: String,
    /// The name of the provider.
    pub provider: String,
    /// The name of the status.
    pub status: String,
    /// The reason of a failure or a timeout.
    pub reason: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The session.
    pub session: Option<String>,
    /// The result, as JSON.
    pub result: Option<String>,
    /// The diff of the result, as JSON.
    pub diff: Option<String>,
    /// The number of the last event.
    pub last_seq: i64,
}

impl StoredCommand {
    /// Returns the command.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be read.
    pub fn read(self) -> Result<Command, StoreError> {
        let id = self.id;
        let state = state(id, &self.status, self.reason.as_deref(), (self.started_at, self.ended_at))?;
        let result = match (self.result, state.outcome()) {
            (Some(json), Some(outcome)) => Some(
                result_from_json(outcome, &json, self.diff.as_deref())
                    .map_err(|error| corrupt(COMMANDS, "result", &id, error))?,
            ),
            _ => None,
        };
        Ok(Command {
            id,
            project: text(id, "project", &self.project)?,
            provider: text(id, "provider", &self.provider)?,
            state,
            session: self.session.map(|session| text(id, "session", &session)).transpose()?,
            result,
            created_at: self.created_at,
            last_seq: number(id, "last_seq", self.last_seq)?,
        })
    }
}

/// Returns a project.
///
/// # Errors
///
/// Fails if a value cannot be read.
pub fn project(
    name: &str,
    version: i64,
    settings: &str,
    (created_at, updated_at): (Timestamp, Timestamp),
    is_deleting: bool,
) -> Result<Project, StoreError> {
    let id = &name;
    let parsed = name.parse().map_err(|error: ProjectNameError| corrupt(PROJECTS, "name", id, error))?;
    let settings = settings_from_json(settings).map_err(|error| corrupt(PROJECTS, "settings", id, error))?;
    let mut project = Project::new(parsed, settings, created_at)
        .map_err(|faults| corrupt(PROJECTS, "settings", id, format!("{faults:?}")))?;
    project.version =
        version.try_into().map_err(|error: TryFromIntError| corrupt(PROJECTS, "version", id, error))?;
    (project.updated_at, project.is_deleting) = (updated_at, is_deleting);
    Ok(project)
}

/// Returns why a project takes no command, from whether it is archived and whether it is being deleted; `None` for one
/// that does not exist.
#[must_use]
pub const fn refusal(project: Option<(bool, bool)>) -> CommandRefusal {
    match project {
        None => CommandRefusal::NoProject,
        Some((_, true)) => CommandRefusal::Deleting,
        Some((_, false)) => CommandRefusal::Archived,
    }
}

/// Returns an event of a command.
///
/// # Errors
///
/// Fails if a value cannot be read.
pub fn event(command: CommandId, seq: i64, at: Timestamp, json: &str) -> Result<AgentEvent, StoreError> {
    let kind =
        event_from_json(json).map_err(|error| corrupt(EVENTS, "data", &format!("{command} {seq}"), error))?;
    Ok(AgentEvent { seq: number(command, "seq", seq)?, at, kind })
}

/// Returns the state of a command that started and ended at these times.
///
/// # Errors
///
/// Fails if the values do not fit together.
pub fn state(
    id: CommandId,
    status: &str,
    reason: Option<&str>,
    (started_at, ended_at): (Option<Timestamp>, Option<Timestamp>),
) -> Result<CommandState, StoreError> {
    CommandStatus::parse(status)
        .and_then(|status| CommandState::from_parts(status, reason, started_at, ended_at))
        .ok_or_else(|| {
            corrupt(COMMANDS, "status", &id, format!("does not fit the other columns: {status:?}"))
        })
}

/// Returns a request.
///
/// # Errors
///
/// Fails if it cannot be read.
pub fn request(id: CommandId, json: &str) -> Result<AgentRequest, StoreError> {
    request_from_json(json).map_err(|error| corrupt(COMMANDS, "request", &id, error))
}

/// Returns the state of a command's events.
///
/// # Errors
///
/// Fails if a number cannot be read.
pub fn log(
    id: CommandId,
    last_seq: i64,
    stored_bytes: i64,
    is_truncated: bool,
) -> Result<EventLog, StoreError> {
    Ok(EventLog {
        last_seq: number(id, "last_seq", last_seq)?,
        stored_bytes: number(id, "stored_bytes", stored_bytes)?,
        is_truncated,
    })
}

/// Returns a text of a command.
///
/// # Errors
///
/// Fails if the text is not valid.
pub fn text<T>(id: impl Display, column: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    text.parse().map_err(|error| corrupt(COMMANDS, column, &id, error))
}

/// Returns a number of a command.
///
/// # Errors
///
/// Fails if it is negative.
pub fn number(id: impl Display, column: &'static str, number: i64) -> Result<u64, StoreError> {
    number.try_into().map_err(|error: TryFromIntError| corrupt(COMMANDS, column, &id, error))
}

/// Returns the reason as it is stored.
#[must_use]
pub fn reason(state: &CommandState) -> Option<&'static str> {
    match state.outcome() {
        Some(outcome @ (Outcome::Failed(_) | Outcome::TimedOut(_))) => outcome.reason(),
        _ => None,
    }
}

/// Converts a number that a store counts in `i64`.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
