//! `POST /projects`: creates a project. 201 with `Location`, `ETag` and the project.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ETAG;
use rdev_http::body::Document;
use rdev_http::{Caller, OperationIds, segment};

use super::request::{self, ProjectBody};
use crate::Services;
use crate::failure::Failure;
use crate::views::ProjectView;

/// Create a project
///
/// The folder of its workspace is created if it lies below the runner's root of workspaces.
#[utoipa::path(
    post,
    path = "/projects",
    tag = "projects",
    operation_id = "createProject",
    security(("api_key" = ["projects:write"])),
    request_body = ProjectBody,
    responses((
        status = 201,
        description = "The project was created.",
        body = ProjectView,
        headers(("Location"), ("ETag"))
    )),
    extensions(("x-problems" = json!(["project_exists"])))
)]
pub(crate) async fn create(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    OperationIds(ids): OperationIds,
    document: Document,
) -> Result<Response, Failure> {
    let request = request::read(&document, None, &services.projects, &caller.access).await?;
    let project = services.projects.create(&caller.access, request.name, request.settings, ids).await?;

    let shown = ProjectView::from(&project);
    let location = format!("{}/{}", uri.path(), segment(project.name.as_str()));
    Ok(([(ETAG, shown.etag())], rdev_http::created(StatusCode::CREATED, location, &shown)).into_response())
}
