//! The list of templates.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::Problem;
use rdev_pages::View;

use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "templates/list.html")]
struct ListPage {
    rows: Vec<Row>,
}

struct Row {
    path: String,
    name: String,
    description: String,
    variables: usize,
}

pub(crate) async fn list(State(services): State<Shared>, view: View) -> Result<Response, Problem> {
    let found = services.templates.list().await.map_err(failure::of_template)?;
    let rows = found.iter().map(|template| Row {
        path: view.url(&format!("/templates/{}", template.name())),
        name: template.name().to_string(),
        description: template.description().to_owned(),
        variables: template.variables().len(),
    });
    view.page("Templates", &ListPage { rows: rows.collect() })
}
