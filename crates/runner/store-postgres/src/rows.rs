//! Rows.

use std::time::Duration;

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{Access, Command, CommandId, CommandState, Project, Timestamp};
use rdev_runner_store::rows::{StoredCommand, project};
use sqlx::postgres::types::PgInterval;
use sqlx::types::Uuid;
use sqlx::types::chrono::{DateTime, Utc};

/// A moment as it is stored.
pub(crate) type Time = DateTime<Utc>;

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
    pub(crate) diff: Option<String>,
    pub(crate) last_seq: i64,
}

impl CommandRow {
    pub(crate) fn id_text(&self) -> String {
        CommandId::from_uuid(self.id).to_string()
    }

    pub(crate) fn read(self) -> Result<Command, StoreError> {
        let stored = StoredCommand {
            id: CommandId::from_uuid(self.id),
            project: self.project,
            provider: self.provider,
            status: self.status,
            reason: self.reason,
            created_at: timestamp(self.created_at),
            started_at: self.started_at.map(timestamp),
            ended_at: self.ended_at.map(timestamp),
            session: self.session,
            result: self.result,
            diff: self.diff,
            last_seq: self.last_seq,
        };
        stored.read()
    }
}

/// A project.
pub(crate) struct ProjectRow {
    pub(crate) name: String,
    pub(crate) version: i64,
    pub(crate) settings: String,
    pub(crate) created_at: Time,
    pub(crate) updated_at: Time,
    pub(crate) is_deleting: bool,
}

impl ProjectRow {
    pub(crate) fn read(self) -> Result<Project, StoreError> {
        let times = (timestamp(self.created_at), timestamp(self.updated_at));
        project(&self.name, self.version, &self.settings, times, self.is_deleting)
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

/// Returns the end as it is stored.
pub(crate) fn ended_at(state: &CommandState) -> Option<Time> {
    state.times().1.map(time)
}

/// Returns the projects that a caller sees, as a parameter; `None` for all.
pub(crate) fn projects(access: &Access) -> Option<Vec<String>> {
    access.projects.as_ref().map(|all| all.iter().map(ToString::to_string).collect())
}

/// Converts a duration as the database counts: in microseconds.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
