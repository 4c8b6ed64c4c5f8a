//! `POST /templates/{name}/render`: shows what a template makes. Writes nothing.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::body::Document;
use rdev_runner_domain::TemplateName;

use super::variables::Variables;
use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::RenderedTemplateView;

rdev_http::members! {
    /// What a template is rendered with.
    pub(super) struct RenderBody as RenderTemplate {
        /// The values of variables by their names. The others have their defaults.
        variables: Option<Variables>,
        /// A project. Its workspace is compared with the rendered files.
        project: Option<types::ProjectName>,
    }
}

/// Render a template
///
/// A dry run: shows every file with its content, and with a project what its workspace has at that path. Nothing is
/// written.
#[utoipa::path(
    post,
    path = "/templates/{name}/render",
    tag = "templates",
    operation_id = "renderTemplate",
    security(("api_key" = ["commands:read"])),
    params(("name" = types::TemplateName, Path)),
    request_body = RenderBody,
    responses((status = 200, description = "The template was rendered.", body = RenderedTemplateView)),
    extensions(("x-problems" = json!(["template_invalid", "files_blocked", "workspace_unusable", "workspace_unreachable"])))
)]
pub(crate) async fn render(
    State(services): State<Services>,
    PathName(name): PathName<TemplateName>,
    caller: Caller,
    document: Document,
) -> Result<Response, Failure> {
    let RenderBody { variables, project } = document.read::<RenderBody>()?;
    let values = variables.unwrap_or_default();
    let rendered = services.templates.render(&caller.access, name.clone(), values, project.as_ref()).await?;
    Ok(rdev_http::json(&RenderedTemplateView::new(&name, &rendered)))
}
