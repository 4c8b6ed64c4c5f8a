//! `POST /projects/{name}/commands`: queues a command. 202 with `Location` once it is durable.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::body::Batch;
use rdev_http::{Caller, OperationIds, Problem};

use super::accepted::accepted;
use super::request::{self, CommandBody, Read};
use crate::Services;
use crate::failure::{Failure, add_command_faults};
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::CommandView;

/// Queue a command
///
/// The command is durable once this has responded, and starts as soon as the limits allow it. What the body leaves out
/// comes from the project.
#[utoipa::path(
    post,
    path = "/projects/{name}/commands",
    tag = "commands",
    operation_id = "createCommand",
    security(("api_key" = ["commands:write"])),
    params(("name" = types::ProjectName, Path)),
    request_body = CommandBody,
    responses((status = 202, description = "The command was queued.", body = CommandView, headers(("Location")))),
    extensions(("x-problems" = json!(["project_archived", "project_deleting"])))
)]
pub(crate) async fn create(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    body: Batch,
) -> Result<Response, Failure> {
    let (read, _room) = body.read(request::read).await?;
    let new = match read {
        Read { new: Some(new), faults } if faults.is_empty() => new,
        Read { new, mut faults } => {
            if let Some(new) = new {
                let found = services.commands.check(&caller.access, &project, new, ids).await?;
                add_command_faults(&mut faults, &found);
            }
            return Err(Problem::from(faults).into());
        }
    };
    let command = services.commands.create(&caller.access, &project, new, ids).await?;
    accepted(&services, &command, Some(uri.path())).await
}
