//! One template: its variables as a form, and what it makes of them.

use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_core::ProjectName;
use rdev_http::{Caller, Problem, StatusCode};
use rdev_pages::{Badge, Form, FormFaults, Icon, Input, PageQuery, Tone, View};
use rdev_runner_app::{RenderedTemplate, TemplatesError};
use rdev_runner_domain::{FileState, ProjectFilter, Template, TemplateError};

use super::variables;
use crate::path::PathTemplate;
use crate::text::{Cut, MAX_PROSE};
use crate::{Shared, failure};

/// The number of projects that the form offers; more are typed.
const MAX_OFFERED: u32 = 100;
/// Those that are in use.
const IN_USE: ProjectFilter = ProjectFilter { is_archived: Some(false) };
/// The number of bytes of all files that the page shows.
const MAX_SHOWN: usize = 256 * 1_024;

#[derive(askama::Template)]
#[template(path = "templates/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    name: String,
    path: String,
    description: String,
    project: Input,
    inputs: Vec<Input>,
    /// What is wrong besides the fields.
    fault: Option<String>,
    preview: Option<Preview>,
}

/// What the template makes.
struct Preview {
    files: Vec<File>,
    warnings: Vec<String>,
    apply: Option<Apply>,
}

/// A file of the preview.
struct File {
    path: String,
    state: Option<Badge>,
    content: Cut,
}

/// The form that writes the files.
struct Apply {
    action: String,
    project: String,
    hidden: Vec<(String, String)>,
    /// Whether files with other content are in the way.
    overwrites: bool,
    /// Whether there is something to write.
    is_needed: bool,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathTemplate(template): PathTemplate,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    page(&services, &view, &caller, &template, &query, None).await
}

/// Renders the page of a template, with a preview if the form asks for one. `refusal` is why its files were not written.
pub(super) async fn page(
    services: &Shared,
    view: &View,
    caller: &Caller,
    template: &Template,
    form: &Form,
    refusal: Option<TemplatesError>,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let project = form.given("project").and_then(|text| faults.check("project", text.parse::<ProjectName>()));
    let mut fault = None;
    let is_refused = refusal.is_some();
    if let Some(error) = refusal {
        fault = note(error, &mut faults)?;
    }
    let mut preview = None;
    if form.has("preview") {
        let values = variables::read(template, form);
        // The use case makes this check again, after that of the project.
        if let Err(found) = template.values(values.clone()) {
            note(TemplatesError::Template(TemplateError::Variables(found)), &mut faults)?;
        }
        let access = &caller.access;
        match services.templates.render(access, template.name().clone(), values, project.as_ref()).await {
            Ok(rendered) => preview = Some(Preview::new(view, template, form, project.as_ref(), rendered)),
            Err(error) => fault = note(error, &mut faults)?.or(fault),
        }
    }
    let content = ShowPage {
        view,
        name: template.name().to_string(),
        path: view.url(&format!("/templates/{}", template.name())),
        description: template.description().to_owned(),
        project: project_input(services, caller, form, &faults).await?,
        inputs: variables::inputs(template, form, &faults),
        fault,
        preview,
    };
    let is_wrong = is_refused || content.fault.is_some() || !faults.is_empty();
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    view.page_with(status, "Template", &content)
}

/// Records an error at its fields. Returns what no field has.
fn note(error: TemplatesError, faults: &mut FormFaults) -> Result<Option<String>, Problem> {
    match error {
        TemplatesError::Template(TemplateError::Variables(found)) => {
            found.iter().for_each(|fault| faults.at(&variables::field(&fault.name), &fault.reason));
        }
        TemplatesError::NoProject => faults.at("project", "is none of the projects that you see"),
        TemplatesError::Archived => faults.at("project", "is archived"),
        TemplatesError::Deleting => faults.at("project", "is being deleted"),
        TemplatesError::Template(error) => return Ok(Some(failure::sentence(&error.to_string()))),
        other => return Err(failure::of_template(other)),
    }
    Ok(None)
}

async fn project_input(
    services: &Shared,
    caller: &Caller,
    form: &Form,
    faults: &FormFaults,
) -> Result<Input, Problem> {
    let offered = services.projects.list(&caller.access, IN_USE, None, MAX_OFFERED).await?;
    let input = match offered.has_more {
        true => Input::line("project", "Project"),
        false => {
            let names =
                offered.items.iter().map(|project| (project.name.to_string(), project.name.to_string()));
            let none = (String::new(), "None: show the files alone".to_owned());
            Input::choice("project", "Project", std::iter::once(none).chain(names))
        }
    };
    Ok(input.value(form.text("project")).fault(faults.of("project")).help("Its workspace gets the files."))
}

impl Preview {
    fn new(
        view: &View,
        template: &Template,
        form: &Form,
        project: Option<&ProjectName>,
        rendered: RenderedTemplate,
    ) -> Self {
        let RenderedTemplate { rendering, states } = rendered;
        let states = states.unwrap_or_default();
        let mut room = MAX_SHOWN;
        let mut files = Vec::new();
        for (place, file) in rendering.files.iter().enumerate() {
            let content = Cut::new(&file.content, MAX_PROSE.min(room));
            room -= content.shown.len();
            files.push(File {
                path: file.path.to_string(),
                state: states.get(place).copied().map(state),
                content,
            });
        }
        let action = || view.once(&format!("/templates/{}/apply", template.name()));
        let may_write = view.allows(&scopes::PROJECTS_WRITE);
        let apply = project.filter(|_| may_write).map(|project| Apply {
            action: action(),
            project: project.to_string(),
            hidden: variables::hidden(template, form),
            overwrites: states.contains(&FileState::Changed),
            is_needed: states.iter().any(|state| *state != FileState::Unchanged),
        });
        Self { files, warnings: rendering.warnings, apply }
    }
}

fn state(state: FileState) -> Badge {
    let badge = |tone, icon, word| Badge { tone, icon, word };
    match state {
        FileState::New => badge(Tone::Good, Icon::Go, "New"),
        FileState::Unchanged => badge(Tone::Plain, Icon::Ok, "The same"),
        FileState::Changed => badge(Tone::Warm, Icon::Warn, "Other content"),
    }
}
