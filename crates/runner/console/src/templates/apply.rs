//! Writing the files of a template into the workspace of a project.

use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, Notice, View};
use rdev_runner_app::TemplatesError;
use rdev_runner_domain::FileState;

use super::{show, variables};
use crate::path::PathTemplate;
use crate::{Shared, path};

pub(crate) async fn apply(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathTemplate(template): PathTemplate,
    form: Form,
) -> Result<Response, Problem> {
    let Ok(project) = form.text("project").trim().parse::<ProjectName>() else {
        return show::page(&services, &view, &caller, &template, &form, Some(TemplatesError::NoProject))
            .await;
    };
    let values = variables::read(&template, &form);
    let (name, overwrites) = (template.name().clone(), form.text("overwrite") == "on");
    match services.templates.apply(&caller.access, &project, name, values, overwrites).await {
        Ok(applied) => {
            let states = applied.states.unwrap_or_default();
            let written = states.iter().filter(|state| **state != FileState::Unchanged).count();
            let files = if written == 1 { "file was" } else { "files were" };
            let notice = Notice::new(format!("{written} {files} written into the workspace of {project}."));
            Ok(view.redirect_with(&path::of_project(&project), &notice))
        }
        Err(error) => show::page(&services, &view, &caller, &template, &form, Some(error)).await,
    }
}
