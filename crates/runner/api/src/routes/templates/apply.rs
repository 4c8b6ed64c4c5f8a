//! `POST /projects/{name}/apply-template`: writes the files of a template into a project's workspace.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::body::Document;
use rdev_http::{Caller, Faults};

use super::variables::Variables;
use crate::Services;
use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::AppliedTemplateView;

rdev_http::members! {
    /// A template, and what it is rendered with.
    pub(super) struct ApplyBody as ApplyTemplate {
        template: types::TemplateName,
        /// The values of variables by their names. The others have their defaults.
        variables: Option<Variables>,
        /// Replaces files of the workspace that have other content.
        overwrite: Option<bool> = false,
    }
}

/// Apply a template
///
/// Writes all files of a template into the workspace of the project, or none. Files with the same content stay as they
/// are. A file with other content is an error unless `overwrite` is set.
#[utoipa::path(
    post,
    path = "/projects/{name}/apply-template",
    tag = "templates",
    operation_id = "applyTemplate",
    security(("api_key" = ["projects:write"])),
    params(("name" = types::ProjectName, Path)),
    request_body = ApplyBody,
    responses((status = 200, description = "The files were written.", body = AppliedTemplateView)),
    extensions(("x-problems" = json!([
        "project_archived", "project_deleting", "template_invalid", "files_changed", "files_blocked", "workspace_busy",
        "workspace_unusable", "workspace_unreachable"
    ])))
)]
pub(crate) async fn apply(
    State(services): State<Services>,
    PathName(project): PathName<ProjectName>,
    caller: Caller,
    document: Document,
) -> Result<Response, Failure> {
    let ApplyBody { template, variables, overwrite } = document.read::<ApplyBody>()?;
    // Its fault has been reported.
    let template = Faults::default().or(template)?;
    let (values, overwrites) = (variables.unwrap_or_default(), overwrite == Some(true));
    let applied =
        services.templates.apply(&caller.access, &project, template.clone(), values, overwrites).await?;
    Ok(rdev_http::json(&AppliedTemplateView::new(&template, &project, &applied)))
}
