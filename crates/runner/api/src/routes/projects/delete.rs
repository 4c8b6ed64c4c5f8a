//! `DELETE /projects/{name}?force=`: 204. With `If-Match` only if it names the project's version, otherwise 412; 409
//! while a command has not ended, unless forced: 202 with the project until those that are cancelled have ended.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use rdev_core::ProjectName;
use rdev_http::Caller;
use rdev_http::query::Query;
use rdev_http::tag::IfMatch;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::ProjectView;

rdev_http::members! {
    /// The parameter of `DELETE /projects/{name}`.
    pub(crate) struct Force {
        /// Cancels the commands that have not ended, and deletes the project once they have.
        force: Option<bool> = false,
    }
}

/// Delete a project
///
/// Its ended commands and the folder of its workspace are kept. With `force`, a project whose commands have not ended
/// takes no more commands, its queued and running commands are cancelled, and it is deleted once they have ended.
#[utoipa::path(
    delete,
    path = "/projects/{name}",
    tag = "projects",
    operation_id = "deleteProject",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path), Force, ("If-Match" = Option<String>, Header)),
    responses(
        (status = 204, description = "The project was deleted."),
        (
            status = 202,
            description = "The project will be deleted once its commands have ended.",
            body = ProjectView,
            headers(("ETag"))
        )
    ),
    extensions(("x-problems" = json!(["version_mismatch", "project_in_use"])))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathName(name): PathName<ProjectName>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Force>,
) -> Result<Response, Failure> {
    let (projects, access) = (&services.projects, &caller.access);
    let versions = IfMatch::of(&headers).into_versions();
    if query.force != Some(true) {
        projects.delete(access, &name, versions.as_deref()).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let Some(project) = projects.force_delete(access, &name, versions.as_deref(), caller.key).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let shown = ProjectView::from(&project);
    Ok((StatusCode::ACCEPTED, [(ETAG, shown.etag())], rdev_http::json(&shown)).into_response())
}
