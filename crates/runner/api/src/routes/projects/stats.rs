//! `GET /projects/{name}/stats?window=30d`: the statistics of a project's commands.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::Caller;
use rdev_http::kind;
use rdev_http::query::Query;
use rdev_runner_domain::StatisticsWindow;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::ProjectStatisticsView;

rdev_http::members! {
    /// The parameter of `GET /projects/{name}/stats`.
    pub(crate) struct LookBack {
        /// How far to look back: whole minutes, hours or days, at most 366 days.
        window: Option<Window> = "30d",
    }
}

rdev_http::kind! {
    pub(crate) Window: StatisticsWindow =
        kind::string().pattern(Some("^[0-9]+[mhd]$")).examples(["7d"]), kind::parsed
}

/// Get project statistics
///
/// Counts, durations, tokens and cost of its commands in a window that ends now. Deleted commands do not count.
#[utoipa::path(
    get,
    path = "/projects/{name}/stats",
    tag = "projects",
    operation_id = "getProjectStatistics",
    security(("api_key" = ["commands:read"])),
    params(("name" = types::ProjectName, Path), LookBack),
    responses((status = 200, description = "The statistics.", body = ProjectStatisticsView))
)]
pub(crate) async fn stats(
    State(services): State<Services>,
    PathName(name): PathName<ProjectName>,
    caller: Caller,
    Query(query): Query<LookBack>,
) -> Result<Response, Failure> {
    let window = query.window.unwrap_or(StatisticsWindow::MONTH);
    let statistics = services.projects.statistics(&caller.access, &name, window).await?;
    Ok(rdev_http::json(&ProjectStatisticsView::new(&name, &statistics)))
}
