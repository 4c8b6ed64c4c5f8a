//! `POST /projects/{name}/woodpecker/pipelines`: triggers a pipeline. 202 with the pipeline.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rdev_core::ProjectName;
use rdev_http::body::Document;
use rdev_http::kind::{self, Kind};
use rdev_http::members::Value;
use rdev_http::{Caller, Faults, OperationIds};
use rdev_runner_domain::PipelineTrigger;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::PipelineView;

/// The largest number of variables.
const MAX_VARIABLES: usize = 100;

/// The longest value of a variable in bytes.
const MAX_VALUE: usize = 4_096;

/// Variables of a pipeline by their names.
pub(super) enum Variables {}

impl Kind for Variables {
    type Value = BTreeMap<String, String>;

    fn shape() -> RefOr<Schema> {
        let value = kind::string().max_length(Some(MAX_VALUE));
        ObjectBuilder::new()
            .additional_properties(Some(Schema::from(value)))
            .max_properties(Some(MAX_VARIABLES))
            .into()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self::Value> {
        let members: Vec<_> = value.object(faults)?.into_rest().collect();
        if members.len() > MAX_VARIABLES {
            return value.refuse(faults, format_args!("must have at most {MAX_VARIABLES} members"));
        }
        let mut variables = BTreeMap::new();
        for (name, member) in members {
            match member.string(faults) {
                Some(_) if name == PipelineTrigger::ID_VARIABLE => member.fault(faults, "is the id, which the server sets"),
                Some(_) if !is_name(&name) => member.fault(
                    faults,
                    "must have a name of 1 to 128 ASCII letters, digits and underscores, the first of them no digit",
                ),
                Some(text) if text.len() > MAX_VALUE => {
                    member.fault(faults, format_args!("must have at most {MAX_VALUE} bytes"));
                }
                Some(text) => drop(variables.insert(name, text)),
                None => {}
            }
        }
        Some(variables)
    }
}

/// Returns whether an environment can have a variable of this name.
fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

rdev_http::members! {
    /// A pipeline to run.
    pub(super) struct PipelineBody as NewPipeline {
        /// The branch; by default that of the repository.
        branch: Option<types::BranchName>,
        /// Variables for the environment of its steps, besides `RDEV_PIPELINE_ID`, its id. They are no secrets.
        variables: Option<Variables>,
    }
}

/// Trigger a pipeline
///
/// Its end is published as the event `pipeline.completed`. A repetition without an `Idempotency-Key` triggers another one.
/// A repetition with the key of a request that Woodpecker has not answered finds the pipeline, or is refused for 10 minutes,
/// in which Woodpecker may still trigger it.
#[utoipa::path(
    post,
    path = "/projects/{name}/woodpecker/pipelines",
    tag = "woodpecker",
    operation_id = "triggerPipeline",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path)),
    request_body = PipelineBody,
    responses((status = 202, description = "The pipeline was triggered.", body = PipelineView)),
    extensions(("x-problems" = json!([
        "project_archived", "project_deleting", "woodpecker_not_configured", "repository_missing", "repository_inactive",
        "pipeline_empty", "pipeline_in_progress", "woodpecker_refused", "woodpecker_unavailable"
    ])))
)]
pub(crate) async fn trigger(
    State(services): State<Services>,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    document: Document,
) -> Result<Response, Failure> {
    let PipelineBody { branch, variables } = document.read::<PipelineBody>()?;
    let variables = variables.unwrap_or_default();
    let pipeline = services.pipelines.trigger(&caller.access, &project, branch, variables, ids).await?;
    Ok((StatusCode::ACCEPTED, rdev_http::json(&PipelineView::from(&pipeline))).into_response())
}
