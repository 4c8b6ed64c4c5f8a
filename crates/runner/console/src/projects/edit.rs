//! Creating and changing a project. If another has changed it meanwhile, the page shows the difference and keeps what
//! was typed.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_core::{ProjectName, ProjectNameError};
use rdev_http::{Caller, OperationIds, Problem, StatusCode};
use rdev_pages::{Conflict, Form, FormFaults, Notice, View};
use rdev_runner_app::{ProjectsError, Services};
use rdev_runner_domain::{Project, check_project_slug};

use super::draft::{self, Inputs};
use crate::path::PathProject;
use crate::{Shared, failure, path};

#[derive(Template)]
#[template(path = "projects/form.html")]
struct FormPage {
    title: &'static str,
    action: String,
    back: String,
    submit: &'static str,
    inputs: Inputs,
    is_wrong: bool,
    /// The version that was read; `None` for a new project.
    version: Option<u64>,
    /// What another has changed meanwhile.
    conflict: Conflict,
}

pub(crate) async fn new(State(services): State<Shared>, view: View) -> Result<Response, Problem> {
    let form = Form::from_iter([("permissions", "edit"), ("max_running", "1")]);
    view.page("New project", &new_page(&services, &view, &form, &FormFaults::default()))
}

pub(crate) async fn create(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let name = form.text("name").trim();
    let checked = check_project_slug(name).map_err(|error| error.to_string());
    let parsed = checked.and_then(|()| name.parse().map_err(|error: ProjectNameError| error.to_string()));
    let name: Option<ProjectName> = faults.check("name", parsed);
    let read = match &name {
        Some(name) => draft::settings(&form, &services.projects, name, None, &mut faults),
        None => None,
    };
    if let (Some(name), Some(settings)) = (name, read) {
        match services.projects.create(&caller.access, name, settings, ids).await {
            Ok(project) => {
                let notice = Notice::new("The project was created.");
                return Ok(view.redirect_with(&path::of_project(&project.name), &notice));
            }
            Err(ProjectsError::Exists) => faults.at("name", "is that of a project that exists"),
            Err(ProjectsError::Invalid(found)) => {
                found.iter().for_each(|fault| faults.at(draft::field(fault), fault));
            }
            Err(error) => return Err(failure::of_project(error)),
        }
    }
    let page = new_page(&services, &view, &form, &faults);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "New project", &page)
}

pub(crate) async fn edit(
    State(services): State<Shared>,
    view: View,
    PathProject(project): PathProject,
) -> Result<Response, Problem> {
    let form = draft::stored(&project);
    view.page("Edit project", &page(&services, &view, &project, &form, &FormFaults::default(), false))
}

pub(crate) async fn save(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathProject(project): PathProject,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    if form.text("version") != project.version.to_string() {
        return conflict(&services, &view, &project, &form);
    }
    let settings = draft::settings(&form, &services.projects, &project.name, Some(&project), &mut faults);
    if let Some(settings) = settings {
        match services.projects.change(&caller.access, &project, settings).await {
            Ok(_) => {
                return Ok(view.redirect_with(
                    &path::of_project(&project.name),
                    &Notice::new("The project was saved."),
                ));
            }
            Err(ProjectsError::VersionMismatch) => {
                let project = services.projects.get(&caller.access, &project.name).await;
                return conflict(&services, &view, &project.map_err(failure::of_project)?, &form);
            }
            Err(ProjectsError::Invalid(found)) => {
                found.iter().for_each(|fault| faults.at(draft::field(fault), fault));
            }
            Err(error) => return Err(failure::of_project(error)),
        }
    }
    let page = page(&services, &view, &project, &form, &faults, false);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Edit project", &page)
}

fn conflict(services: &Services, view: &View, project: &Project, form: &Form) -> Result<Response, Problem> {
    let page = page(services, view, project, form, &FormFaults::default(), true);
    view.page_with(StatusCode::CONFLICT, "Edit project", &page)
}

fn new_page(services: &Services, view: &View, form: &Form, faults: &FormFaults) -> FormPage {
    FormPage {
        title: "New project",
        action: view.once("/projects/new"),
        back: view.url("/projects"),
        submit: "Create project",
        inputs: draft::inputs(form, faults, services.providers.names(), true),
        is_wrong: !faults.is_empty(),
        version: None,
        conflict: Conflict::default(),
    }
}

fn page(
    services: &Services,
    view: &View,
    project: &Project,
    form: &Form,
    faults: &FormFaults,
    is_conflict: bool,
) -> FormPage {
    let path = path::of_project(&project.name);
    let differences =
        if is_conflict { draft::differences(form, &draft::stored(project)) } else { Vec::new() };
    FormPage {
        title: "Edit project",
        action: view.once(&format!("{path}/edit")),
        back: view.url(&path),
        submit: if is_conflict { "Save what I typed" } else { "Save" },
        inputs: draft::inputs(form, faults, services.providers.names(), false),
        is_wrong: !faults.is_empty(),
        version: Some(project.version),
        conflict: Conflict::new("project", differences),
    }
}
