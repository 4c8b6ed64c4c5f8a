//! Rows.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{Access, Command, CommandId, CommandState, PipelineId, Project, Timestamp};
use rdev_runner_store::rows::{StoredCommand, project};
use rdev_runner_store::{corrupt, internal};
use uuid::Uuid;

/// A command without its request, as the queue and the repository read it.
pub(crate) struct CommandRow {
    pub(crate) id: Vec<u8>,
    pub(crate) project: String,
    pub(crate) provider: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) session: Option<String>,
    pub(crate) result: Option<String>,
    pub(crate) diff: Option<String>,
    pub(crate) last_seq: i64,
}

impl CommandRow {
    pub(crate) fn id_text(&self) -> String {
        command_id(&self.id).map_or_else(|_| format!("{:02x?}", self.id), |id| id.to_string())
    }

    pub(crate) fn read(self) -> Result<Command, StoreError> {
        let stored = StoredCommand {
            id: command_id(&self.id)?,
            project: self.project,
            provider: self.provider,
            status: self.status,
            reason: self.reason,
            created_at: Timestamp::from_micros(self.created_at),
            started_at: self.started_at.map(Timestamp::from_micros),
            ended_at: self.ended_at.map(Timestamp::from_micros),
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
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) is_deleting: bool,
}

impl ProjectRow {
    pub(crate) fn read(self) -> Result<Project, StoreError> {
        let times = (Timestamp::from_micros(self.created_at), Timestamp::from_micros(self.updated_at));
        project(&self.name, self.version, &self.settings, times, self.is_deleting)
    }
}

pub(crate) fn command_id(bytes: &[u8]) -> Result<CommandId, StoreError> {
    Uuid::from_slice(bytes)
        .map(CommandId::from_uuid)
        .map_err(|error| corrupt("commands", "id", &format!("{bytes:02x?}"), error))
}

pub(crate) fn pipeline_id(bytes: &[u8]) -> Result<PipelineId, StoreError> {
    Uuid::from_slice(bytes)
        .map(PipelineId::from_uuid)
        .map_err(|error| corrupt("pipelines", "id", &format!("{bytes:02x?}"), error))
}

/// Returns the start and the end as they are stored.
pub(crate) fn times(state: &CommandState) -> (Option<i64>, Option<i64>) {
    let (started_at, ended_at) = state.times();
    (started_at.map(Timestamp::as_micros), ended_at.map(Timestamp::as_micros))
}

/// Returns the projects that a caller sees, as a parameter; `None` for all.
pub(crate) fn projects(access: &Access) -> Result<Option<String>, StoreError> {
    let names = access.projects.as_ref().map(|all| all.iter().map(|name| name.as_str()).collect::<Vec<_>>());
    names.map(|names| serde_json::to_string(&names)).transpose().map_err(internal)
}
