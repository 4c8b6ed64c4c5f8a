//! `GET /projects?limit=&cursor=`: projects in the order of their names.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};

use crate::Services;
use crate::failure::Failure;
use crate::keys::ProjectKey;
use crate::views::{ProjectList, ProjectView};

/// List projects
///
/// In the order of their names.
#[utoipa::path(
    get,
    path = "/projects",
    tag = "projects",
    operation_id = "listProjects",
    security(("api_key" = ["commands:read"])),
    params(PageParameters),
    responses((status = 200, description = "A page of projects.", body = ProjectList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter: (), page, given }: ListQuery<(), ProjectKey>,
) -> Result<Response, Failure> {
    let after = page.before.map(|ProjectKey(name)| name);
    let found = services.projects.list(&caller.access, after.as_ref(), page.limit).await?;
    Ok(page::answer(&found, &given, ProjectView::from, |project| ProjectKey(project.name.clone())))
}
