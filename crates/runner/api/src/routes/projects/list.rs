//! `GET /projects?archived=&limit=&cursor=`: projects in the order of their names.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_runner_domain::ProjectFilter;

use crate::Services;
use crate::failure::Failure;
use crate::keys::ProjectKey;
use crate::views::{ProjectList, ProjectView};

rdev_http::members! {
    /// The parameters of `GET /projects`.
    pub(crate) struct Filters {
        /// Only archived projects, or only the others; by default all.
        archived: Option<bool>,
    }
}

/// List projects
///
/// In the order of their names.
#[utoipa::path(
    get,
    path = "/projects",
    tag = "projects",
    operation_id = "listProjects",
    security(("api_key" = ["commands:read"])),
    params(Filters, PageParameters),
    responses((status = 200, description = "A page of projects.", body = ProjectList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<Filters, ProjectKey>,
) -> Result<Response, Failure> {
    let after = page.before.map(|ProjectKey(name)| name);
    let filter = ProjectFilter { is_archived: filter.archived };
    let found = services.projects.list(&caller.access, filter, after.as_ref(), page.limit).await?;
    Ok(page::answer(&found, &given, ProjectView::from, |project| ProjectKey(project.name.clone())))
}
