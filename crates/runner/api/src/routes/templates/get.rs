//! `GET /templates/{name}`: a template with its variables.

use axum::extract::State;
use axum::response::Response;
use rdev_runner_domain::TemplateName;

use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
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
    PathName(name): PathName<TemplateName>,
) -> Result<Response, Failure> {
    let template = services.templates.get(name).await?;
    Ok(rdev_http::json(&TemplateView::from(&template)))
}
