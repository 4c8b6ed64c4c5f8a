//! `GET /projects/{name}/woodpecker/pipelines?limit=&cursor=`: pipelines, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_runner_domain::PipelineId;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::{PipelineList, PipelineView};

/// List pipelines
///
/// Those that were triggered for the project, newest first. They are kept as long as commands.
#[utoipa::path(
    get,
    path = "/projects/{name}/woodpecker/pipelines",
    tag = "woodpecker",
    operation_id = "listPipelines",
    security(("api_key" = ["commands:read"])),
    params(("name" = types::ProjectName, Path), PageParameters),
    responses((status = 200, description = "A page of pipelines.", body = PipelineList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    ListQuery { filter: (), page, given }: ListQuery<(), PipelineId>,
) -> Result<Response, Failure> {
    let found = services.pipelines.list(&caller.access, &project, page).await?;
    Ok(page::answer(&found, &given, PipelineView::from, |pipeline| pipeline.id))
}
