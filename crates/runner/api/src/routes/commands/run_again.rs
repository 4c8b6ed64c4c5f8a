//! `POST /commands/{id}/run-again`: queues the request of a command as a new command. 202 with `Location`.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use rdev_http::body::Nothing;
use rdev_http::{Caller, OperationIds, PathId, Problem};
use rdev_runner_app::CommandsError;
use rdev_runner_domain::CommandId;

use super::accepted::accepted;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::CommandView;
use crate::{Services, codes};

/// Run a command again
///
/// Queues the same request as a new command. The settings of the project change nothing in it.
#[utoipa::path(
    post,
    path = "/commands/{id}/run-again",
    tag = "commands",
    operation_id = "runCommandAgain",
    security(("api_key" = ["commands:write"])),
    params(("id" = types::CommandId, Path)),
    request_body(content = rdev_http::body::EmptyBody),
    responses((status = 202, description = "The new command was queued.", body = CommandView, headers(("Location")))),
    extensions(("x-problems" = json!([
        "project_deleted", "project_archived", "project_deleting", "command_not_repeatable"
    ])))
)]
pub(crate) async fn run_again(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    PathId(id): PathId<CommandId>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    Nothing: Nothing,
) -> Result<Response, Failure> {
    let queued = services.commands.run_again(&caller.access, id, ids).await;
    let command = queued.map_err(|error| match error {
        CommandsError::NoProject => {
            Problem::new(codes::PROJECT_DELETED, "The project of the command was deleted.").into()
        }
        CommandsError::Invalid(faults) => {
            let faults: Vec<_> =
                faults.iter().map(|fault| format!("{}: {fault}", fault.fault.pointer())).collect();
            let detail = format!("The request can no longer be run. {}.", faults.join("; "));
            Problem::new(codes::COMMAND_NOT_REPEATABLE, detail).into()
        }
        other => Failure::from(other),
    })?;
    accepted(&services, &command, Some(uri.path())).await
}
