//! The response to a request that has queued or changed a command.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rdev_runner_domain::Command;

use crate::Services;
use crate::failure::Failure;
use crate::views::CommandView;

/// Returns 202 with a command, and with its `Location` if the request, whose path is `path`, has created it: the path of
/// commands stands beside that of projects.
pub(super) async fn accepted(
    services: &Services,
    command: &Command,
    created_at: Option<&str>,
) -> Result<Response, Failure> {
    let waiting = services.commands.waiting(std::slice::from_ref(command)).await?;
    let view = CommandView::new(command, waiting.into_iter().next().flatten());
    let below = created_at.and_then(|path| path.rsplit_once("/projects/").or(path.rsplit_once("/commands/")));
    Ok(match below {
        Some((below, _)) => {
            rdev_http::created(StatusCode::ACCEPTED, format!("{below}/commands/{}", command.id), &view)
        }
        None => (StatusCode::ACCEPTED, rdev_http::json(&view)).into_response(),
    })
}
