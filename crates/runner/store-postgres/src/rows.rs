//! Rows.

use std::fmt::Display;
use std::num::TryFromIntError;
use std::str::FromStr;
use std::time::Duration;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{
    Access, AgentRequest, Command, CommandId, CommandState, CommandStatus, EventLog, Outcome, Project,
    ProjectNameError, Timestamp,
};
use rdev_runner_json::{request_from_json, result_from_json, settings_from_json};
use sqlx::postgres::types::PgInterval;
use sqlx::types::Uuid;
use sqlx::types::chrono::{DateTime, Utc};

use crate::error::corrupt;

/// A moment as it is stored.
pub(crate) type Time = DateTime<Utc>;

const COMMANDS: &str = "commands";

/// A command without its request, as the queue and the repository read it.
pub(crate) struct CommandRow {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) provider: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: Time,
    pub(crate) started_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
    pub(crate) session: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) last_seq: i64,
}

impl CommandRow {
    pub(crate) fn id_text(&self) -> String {
        CommandId::from_uuid(self.id).to_string()
    }

    pub(crate) fn read(self) -> Result<Command, StoreError> {
        let id = CommandId::from_uuid(self.id);
        let state = state(id, &self.status, self.reason.as_deref(), self.started_at, self.ended_at)?;
        let result = match (self.result, state.outcome()) {
            (Some(json), Some(outcome)) => Some(
                result_from_json(outcome, &json).map_err(|error| corrupt(COMMANDS, "result", &id, error))?,
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
            created_at: timestamp(self.created_at),
            last_seq: number(id, "last_seq", self.last_seq)?,
        })
    }
}

/// A project.
pub(crate) struct ProjectRow {
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) settings: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
}

impl ProjectRow {
    pub(crate) fn read(self) -> Result<Project, StoreError> {
        const PROJECTS: &str = "projects";
        let id = &self.name;
        let name = id.parse().map_err(|error: ProjectNameError| corrupt(PROJECTS, "name", id, error))?;
        let settings =
            settings_from_json(&self.settings).map_err(|error| corrupt(PROJECTS, "settings", id, error))?;
        let mut project = Project::new(name, settings, timestamp(self.created_at))
            .map_err(|faults| corrupt(PROJECTS, "settings", id, format!("{faults:?}")))?;
        project.version = self
            .version
            .try_into()
            .map_err(|error: TryFromIntError| corrupt(PROJECTS, "version", id, error))?;
        project.updated_at = timestamp(self.updated_at);
        Ok(project)
    }
}

/// Converts a moment as it is stored.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_micros(time.timestamp_micros())
}

/// Converts a moment to be stored.
pub(crate) fn time(at: Timestamp) -> Time {
    // Every timestamp is in the range of the type.
    Time::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}

pub(crate) fn state(
    id: CommandId,
    status: &str,
    reason: Option<&str>,
    started_at: Option<Time>,
    ended_at: Option<Time>,
) -> Result<CommandState, StoreError> {
    let times = (started_at.map(timestamp), ended_at.map(timestamp));
    CommandStatus::parse(status)
        .and_then(|status| CommandState::from_parts(status, reason, times.0, times.1))
        .ok_or_else(|| {
            corrupt(COMMANDS, "status", &id, format!("does not fit the other columns: {status:?}"))
        })
}

pub(crate) fn request(id: CommandId, json: &str) -> Result<AgentRequest, StoreError> {
    request_from_json(json).map_err(|error| corrupt(COMMANDS, "request", &id, error))
}

pub(crate) fn log(
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

pub(crate) fn text<T>(id: impl Display, column: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    text.parse().map_err(|error| corrupt(COMMANDS, column, &id, error))
}

pub(crate) fn number(id: impl Display, column: &'static str, number: i64) -> Result<u64, StoreError> {
    number.try_into().map_err(|error: TryFromIntError| corrupt(COMMANDS, column, &id, error))
}

/// Returns the reason as it is stored.
pub(crate) fn reason(state: &CommandState) -> Option<&'static str> {
    match state.outcome() {
        Some(outcome @ (Outcome::Failed(_) | Outcome::TimedOut(_))) => outcome.reason(),
        _ => None,
    }
}

/// Returns the end as it is stored.
pub(crate) fn ended_at(state: &CommandState) -> Option<Time> {
    state.times().1.map(time)
}

/// Returns the projects that a caller sees, as a parameter; `None` for all.
pub(crate) fn projects(access: &Access) -> Option<Vec<String>> {
    access.projects.as_ref().map(|all| all.iter().map(ToString::to_string).collect())
}

/// Converts a number that a store counts in `i64`.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a duration as the database counts: in microseconds.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
