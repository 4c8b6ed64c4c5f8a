//! `DELETE /projects/{name}`: 204. With `If-Match` only if it names the project's version, otherwise 412; 409 while a
//! command has not ended.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use rdev_core::ProjectName;
use rdev_http::Caller;
use rdev_http::tag::IfMatch;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;

/// Delete a project
///
/// Its ended commands and the folder of its workspace are kept.
#[utoipa::path(
    delete,
    path = "/projects/{name}",
    tag = "projects",
    operation_id = "deleteProject",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The project was deleted.")),
    extensions(("x-problems" = json!(["version_mismatch", "project_in_use"])))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathName(name): PathName<ProjectName>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let versions = IfMatch::of(&headers).into_versions();
    services.projects.delete(&caller.access, &name, versions.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
