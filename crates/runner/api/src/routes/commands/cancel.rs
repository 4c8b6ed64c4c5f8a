//! `POST /commands/{id}/cancel`: cancels a command. 202 with the command; 409 once it has ended.

use axum::extract::State;
use axum::response::Response;
use rdev_http::body::Nothing;
use rdev_http::{Caller, OperationIds, PathId};
use rdev_runner_domain::CommandId;

use super::accepted::accepted;
use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::CommandView;

/// Cancel a command
///
/// A queued command ends at once. A started one is stopped by its runner, and may complete before that.
#[utoipa::path(
    post,
    path = "/commands/{id}/cancel",
    tag = "commands",
    operation_id = "cancelCommand",
    security(("api_key" = ["commands:write"])),
    params(("id" = types::CommandId, Path)),
    request_body(content = rdev_http::body::EmptyBody),
    responses((status = 202, description = "The command is cancelled, or is being stopped.", body = CommandView)),
    extensions(("x-problems" = json!(["command_ended"])))
)]
pub(crate) async fn cancel(
    State(services): State<Services>,
    PathId(id): PathId<CommandId>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    Nothing: Nothing,
) -> Result<Response, Failure> {
    let command = services.commands.cancel(&caller.access, id, caller.key, ids).await?;
    accepted(&services, &command, None).await
}
