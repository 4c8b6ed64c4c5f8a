//! The webhook events that report commands.

use rdev_runner_domain::{AgentProvider, Change, CommandId, Pipeline, ProjectName, Publication};
use serde::Serialize;

use crate::Error;

/// A webhook event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The type: `command.started`, `command.completed`, `command.failed` or `pipeline.completed`.
    pub event_type: &'static str,
    /// The key: the command's id and state, or that of the pipeline, so that each state is reported once.
    pub key: String,
    /// The data, a JSON object.
    pub data: String,
}

#[derive(Serialize)]
struct Data<'a> {
    command_id: String,
    project: &'a str,
    #[serde(rename = "type")]
    provider: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Returns the webhook event of a change, if it has one.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn publication(
    command: CommandId,
    project: &ProjectName,
    provider: &AgentProvider,
    change: &Change,
) -> Result<Option<Published>, Error> {
    let Some(report) = change.publication else { return Ok(None) };
    let (exit_code, duration, reason) = match report {
        Publication::Started => (None, None, None),
        Publication::Completed { exit_code, duration } => (Some(exit_code), Some(duration), None),
        Publication::Failed { exit_code, duration, reason } => {
            (Some(exit_code), Some(duration), Some(reason))
        }
    };
    let data = Data {
        command_id: command.to_string(),
        project: project.as_str(),
        provider: provider.as_str(),
        exit_code,
        duration_ms: duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        reason,
    };
    Ok(Some(Published {
        event_type: report.event_type(),
        key: format!("{command}:{}", change.state.status().as_str()),
        data: serde_json::to_string(&data)?,
    }))
}

#[derive(Serialize)]
struct PipelineData<'a> {
    pipeline_id: String,
    project: &'a str,
    repository: &'a str,
    number: u64,
    status: &'static str,
    branch: &'a str,
    commit: &'a str,
    url: &'a str,
}

/// Returns the webhook event of the end of a pipeline.
///
/// # Errors
///
/// Never fails for a value of the domain.
pub fn pipeline_publication(pipeline: &Pipeline) -> Result<Published, Error> {
    let found = &pipeline.found;
    let data = PipelineData {
        pipeline_id: pipeline.id.to_string(),
        project: pipeline.project.as_str(),
        repository: pipeline.repository.as_str(),
        number: found.number,
        status: found.status.as_str(),
        branch: &found.branch,
        commit: &found.commit,
        url: &found.url,
    };
    Ok(Published {
        event_type: Pipeline::COMPLETED,
        key: pipeline.event_key(),
        data: serde_json::to_string(&data)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdev_runner_domain::{CommandState, Timestamp};

    use super::*;

    fn published(change: &Change) -> Published {
        let id = CommandId::from_parts(Timestamp::EPOCH, [0; 10]);
        let project = "my-project".parse().unwrap();
        publication(id, &project, &AgentProvider::claude(), change).unwrap().unwrap()
    }

    #[test]
    fn a_start_has_neither_exit_code_nor_duration() {
        let started = published(&CommandState::Queued.start(Timestamp::EPOCH).unwrap());
        assert_eq!(started.event_type, "command.started");
        let id = CommandId::from_parts(Timestamp::EPOCH, [0; 10]);
        assert_eq!(started.key, format!("{id}:starting"));
        assert_eq!(
            started.data,
            format!(r#"{{"command_id":"{id}","project":"my-project","type":"claude"}}"#)
        );
    }

    #[test]
    fn an_end_has_the_given_members() {
        let state = CommandState::Running { started_at: Timestamp::EPOCH };
        let lost = published(&state.lose(Timestamp::EPOCH + Duration::from_millis(5_432)).unwrap());
        assert_eq!(lost.event_type, "command.failed");
        assert!(lost.key.ends_with(":lost"), "{}", lost.key);
        let members =
            r#","project":"my-project","type":"claude","exit_code":1,"duration_ms":5432,"reason":"lost"}"#;
        assert!(lost.data.ends_with(members), "{}", lost.data);
    }
}
