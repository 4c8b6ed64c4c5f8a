//! `POST /projects`: creates a project. 201 with `Location`, `ETag` and the project.

use std::fmt::Write;

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ETAG;
use rdev_http::body::Document;
use rdev_http::{Caller, OperationIds};

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
    let location = format!("{}/{}", uri.path(), encoded(project.name.as_str()));
    Ok(([(ETAG, shown.etag())], rdev_http::created(StatusCode::CREATED, location, &shown)).into_response())
}

/// Returns a text as a segment of a path.
fn encoded(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => segment.push(byte.into()),
            // Writing to a String cannot fail.
            _ => drop(write!(segment, "%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(encoded("my-project_1.~"), "my-project_1.~");
        assert_eq!(encoded("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }
}
