//! `GET /projects/{name}`: a project with its `ETag`; 304 if `If-None-Match` names it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use rdev_core::ProjectName;
use rdev_http::{Caller, tag};

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::ProjectView;

/// Get a project
#[utoipa::path(
    get,
    path = "/projects/{name}",
    tag = "projects",
    operation_id = "getProject",
    security(("api_key" = ["commands:read"])),
    params(("name" = types::ProjectName, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "The project.", body = ProjectView, headers(("ETag"))),
        (status = 304, description = "Not modified: `If-None-Match` matches the current `ETag`.", headers(("ETag")))
    )
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathName(name): PathName<ProjectName>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let project = services.projects.get(&caller.access, &name).await?;
    let shown = ProjectView::from(&project);
    let tag = shown.etag();
    if tag::is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    Ok(([(ETAG, tag)], rdev_http::json(&shown)).into_response())
}
