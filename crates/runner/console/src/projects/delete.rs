//! Deleting a project.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem, StatusCode};
use rdev_pages::{Form, Notice, View};
use rdev_runner_app::ProjectsError;
use rdev_runner_domain::Project;

use crate::path::PathProject;
use crate::{Shared, failure, path};

#[derive(Template)]
#[template(path = "projects/delete.html")]
struct DeletePage {
    action: String,
    back: String,
    name: String,
    version: u64,
    /// The number of commands that have not ended, if they were found in the way.
    unfinished: Option<u64>,
}

/// Asks before it deletes.
pub(crate) async fn confirm(view: View, PathProject(project): PathProject) -> Result<Response, Problem> {
    view.page("Delete project", &page(&view, &project, None))
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathProject(project): PathProject,
    form: Form,
) -> Result<Response, Problem> {
    let versions: Vec<u64> = form.text("version").parse().into_iter().collect();
    let (access, name) = (&caller.access, &project.name);
    if form.text("force") == "on" {
        let left = services.projects.force_delete(access, name, Some(&versions), caller.key).await;
        return Ok(match left.map_err(failure::of_project)? {
            Some(_) => {
                let notice = Notice::new(
                    "The project is deleted once its commands, which are being stopped, have ended.",
                );
                view.redirect_with(&path::of_project(name), &notice)
            }
            None => view.redirect_with("/projects", &Notice::new(DELETED)),
        });
    }
    match services.projects.delete(access, name, Some(&versions)).await {
        Ok(()) => Ok(view.redirect_with("/projects", &Notice::new(DELETED))),
        Err(ProjectsError::InUse { unfinished }) => {
            let page = page(&view, &project, Some(unfinished));
            view.page_with(StatusCode::CONFLICT, "Delete project", &page)
        }
        Err(error) => Err(failure::of_project(error)),
    }
}

const DELETED: &str = "The project was deleted. Its ended commands and the folder of its workspace stay.";

fn page(view: &View, project: &Project, unfinished: Option<u64>) -> DeletePage {
    let path = path::of_project(&project.name);
    DeletePage {
        action: view.once(&format!("{path}/delete")),
        back: view.url(&path),
        name: project.name.to_string(),
        version: project.version,
        unfinished,
    }
}
