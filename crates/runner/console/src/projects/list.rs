//! The list of projects.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Input, PageQuery, Pager, View};
use rdev_runner_domain::ProjectFilter;

use super::place;
use crate::text::first_line;
use crate::{Shared, path};

/// The number of projects of a page.
const LIMIT: u32 = 25;
/// The number of characters of a description in the list.
const MAX_DESCRIPTION: usize = 120;

#[derive(Template)]
#[template(path = "projects/list.html")]
struct ListPage<'a> {
    view: &'a View,
    filter: Input,
    is_filtered: bool,
    rows: Vec<Row>,
    pager: Pager,
    new: Option<String>,
}

struct Row {
    path: String,
    name: String,
    description: String,
    is_archived: bool,
    is_deleting: bool,
    provider: Option<String>,
    place: String,
    max_running: u32,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let is_archived = match query.text("archived") {
        "yes" => Some(true),
        "all" => None,
        _ => Some(false),
    };
    let filter = ProjectFilter { is_archived };
    let found = services.projects.list(&caller.access, filter, query.after().as_ref(), LIMIT).await?;
    let rows = found.items.iter().map(|project| {
        let settings = project.settings();
        let description =
            settings.description.as_ref().map(|text| first_line(text.as_str(), MAX_DESCRIPTION));
        Row {
            path: view.url(&path::of_project(&project.name)),
            name: project.name.to_string(),
            description: description.unwrap_or_default(),
            is_archived: settings.is_archived,
            is_deleting: project.is_deleting,
            provider: settings.provider.as_ref().map(ToString::to_string),
            place: place(&settings.workspace),
            max_running: settings.max_running,
        }
    });
    let choices = [("", "In use"), ("yes", "Archived"), ("all", "All")];
    let content = ListPage {
        view: &view,
        filter: Input::choice("archived", "Show", choices).value(query.text("archived")).search(),
        is_filtered: query.given("archived").is_some(),
        rows: rows.collect(),
        pager: Pager::by_name(&view, "/projects", &query, &found, |project| &project.name),
        new: view.allows(&scopes::PROJECTS_WRITE).then(|| view.url("/projects/new")),
    };
    view.page("Projects", &content)
}
