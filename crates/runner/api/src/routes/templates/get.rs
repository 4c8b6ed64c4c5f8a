//! `GET /templates/{name}`: a template with its variables.

use axum::extract::State;
use axum::response::Response;

use super::path::PathTemplate;
use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::TemplateView;

/// Get a template
#[utoipa::path(
    get,
    path = "/templates/{name}",
    tag = "templates",
    operation_id = "getTemplate",
    security(("api_key" = ["commands:read"])),
    params(("name" = types::TemplateName, Path)),
    responses((status = 200, description = "The template.", body = TemplateView)),
    extensions(("x-problems" = json!(["template_invalid"])))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathTemplate(name): PathTemplate,
) -> Result<Response, Failure> {
    let template = services.templates.get(name).await?;
    Ok(rdev_http::json(&TemplateView::from(&template)))
}
