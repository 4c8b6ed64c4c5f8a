//! `DELETE /commands/{id}`: deletes an ended command with its events. 204; 409 before it has ended.

use axum::extract::State;
use http::StatusCode;
use rdev_http::{Caller, PathId};
use rdev_runner_domain::CommandId;

use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;

/// Delete a command
///
/// Deletes an ended command with its events. Its streams end.
#[utoipa::path(
    delete,
    path = "/commands/{id}",
    tag = "commands",
    operation_id = "deleteCommand",
    security(("api_key" = ["commands:write"])),
    params(("id" = types::CommandId, Path)),
    responses((status = 204, description = "The command was deleted.")),
    extensions(("x-problems" = json!(["command_not_ended"])))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<CommandId>,
    caller: Caller,
) -> Result<StatusCode, Failure> {
    services.commands.delete(&caller.access, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
