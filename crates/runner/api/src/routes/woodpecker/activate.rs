//! `POST /projects/{name}/woodpecker/activate`: activates the project's repository.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::Caller;
use rdev_http::body::Nothing;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::ActivatedRepositoryView;

/// Activate the repository
///
/// Woodpecker runs pipelines for the repository of the project from then on. An active one stays as it is.
#[utoipa::path(
    post,
    path = "/projects/{name}/woodpecker/activate",
    tag = "woodpecker",
    operation_id = "activateRepository",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path)),
    request_body(content = rdev_http::body::EmptyBody),
    responses((status = 200, description = "The repository is active.", body = ActivatedRepositoryView)),
    extensions(("x-problems" = json!([
        "project_archived", "project_deleting", "woodpecker_not_configured", "repository_missing", "woodpecker_refused",
        "woodpecker_unavailable"
    ])))
)]
pub(crate) async fn activate(
    State(services): State<Services>,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    Nothing: Nothing,
) -> Result<Response, Failure> {
    let (name, active) = services.pipelines.activate(&caller.access, &project, caller.key).await?;
    Ok(rdev_http::json(&ActivatedRepositoryView::new(&name, &active)))
}
