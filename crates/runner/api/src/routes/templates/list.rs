//! `GET /templates`: the templates, in the order of their names.

use axum::extract::State;
use axum::response::Response;
use rdev_core::Page;
use rdev_http::page;
use rdev_http::query::{Given, Query};

use crate::Services;
use crate::failure::Failure;
use crate::views::{TemplateList, TemplateView};

/// List templates
///
/// The templates of projects in the order of their names, with their variables. An invalid template is missing; to get
/// it by its name says what is wrong with it.
#[utoipa::path(
    get,
    path = "/templates",
    tag = "templates",
    operation_id = "listTemplates",
    security(("api_key" = ["commands:read"])),
    responses((status = 200, description = "The templates.", body = TemplateList))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    given: Given,
    Query(()): Query<()>,
) -> Result<Response, Failure> {
    let items = services.templates.list().await?;
    let all = Page { items, has_more: false, damaged: Vec::new() };
    Ok(page::answer(&all, &given, TemplateView::from, |template| template.name().clone()))
}
