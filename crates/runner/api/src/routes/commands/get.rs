//! `GET /commands/{id}`: a command with its request.

use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, PathId};
use rdev_runner_domain::CommandId;

use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::CommandDetail;

/// Get a command
///
/// With its state, why it waits, its result, and its request.
#[utoipa::path(
    get,
    path = "/commands/{id}",
    tag = "commands",
    operation_id = "getCommand",
    security(("api_key" = ["commands:read"])),
    params(("id" = types::CommandId, Path)),
    responses((status = 200, description = "The command.", body = CommandDetail))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<CommandId>,
    caller: Caller,
) -> Result<Response, Failure> {
    let request = services.commands.request(&caller.access, id).await?;
    let command = services.commands.get(&caller.access, id).await?;
    let waiting = services.commands.waiting(std::slice::from_ref(&command)).await?;
    let waiting = waiting.into_iter().next().flatten();
    Ok(rdev_http::json(&CommandDetail::new(&command, waiting, &request)))
}
