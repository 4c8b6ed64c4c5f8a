//! One project: its newest commands, its statistics, and its settings.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::scopes;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, Moment, PageQuery, View};
use rdev_runner_domain::{CommandFilter, PageRequest, Project};

use super::place;
use super::statistics::Statistics;
use crate::commands::{NEWEST, Row, limit_facts};
use crate::path::PathProject;
use crate::{Shared, path, words};

/// The number of commands that the page shows.
const COMMANDS: u32 = 10;

#[derive(Template)]
#[template(path = "projects/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    path: String,
    name: String,
    description: Option<String>,
    is_archived: bool,
    is_deleting: bool,
    facts: Vec<(&'static str, String)>,
    environment: Vec<(String, String)>,
    created: Moment,
    updated: Moment,
    rows: Vec<Row>,
    commands: String,
    stream: String,
    statistics: Statistics,
    run: Option<String>,
    may_manage: bool,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathProject(project): PathProject,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let filter = CommandFilter { project: Some(project.name.clone()), ..CommandFilter::default() };
    let newest = PageRequest { limit: COMMANDS, before: None };
    let found = services.commands.list(&caller.access, &filter, newest).await?;
    let waiting = services.commands.waiting(&found.items).await?;
    let statistics = Statistics::load(&services, &caller, &view, &project, query.text("window")).await?;
    let first = found.items.first().map(|command| command.id.to_string());
    let settings = project.settings();
    let takes_commands = !settings.is_archived && !project.is_deleting;
    let of_project = [("project", Some(project.name.as_str()))];
    let address = |page: &str| view.url(&Form::default().address(page, &of_project));
    let variables = settings.environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let content = ShowPage {
        view: &view,
        path: view.url(&path::of_project(&project.name)),
        name: project.name.to_string(),
        description: settings.description.as_ref().map(ToString::to_string),
        is_archived: settings.is_archived,
        is_deleting: project.is_deleting,
        facts: facts(&project),
        environment: variables.collect(),
        created: view.moment(project.created_at),
        updated: view.moment(project.updated_at),
        rows: found.items.iter().zip(waiting).map(|(one, waiting)| Row::new(&view, one, waiting)).collect(),
        commands: address("/commands"),
        stream: view
            .url(&Form::default().address("/commands/live", &[of_project[0], (NEWEST, first.as_deref())])),
        statistics,
        run: (takes_commands && view.allows(&scopes::COMMANDS_WRITE)).then(|| address("/commands/new")),
        may_manage: view.allows(&scopes::PROJECTS_WRITE),
    };
    view.page("Project", &content)
}

/// Returns the settings of a project, as labels with values.
fn facts(project: &Project) -> Vec<(&'static str, String)> {
    let settings = project.settings();
    let listed = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let provider = settings.provider.as_ref().map_or_else(|| "the default".to_owned(), ToString::to_string);
    let model = settings.model.as_ref().map_or_else(|| "the agent's default".to_owned(), ToString::to_string);
    let mut facts = vec![
        ("Workspace", place(&settings.workspace)),
        ("Repository", settings.repository.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
        ("Provider", provider),
        ("Model", model),
        ("Permissions", words::permissions(settings.permissions).to_owned()),
        ("Allowed tools", listed(settings.allowed_tools.iter().map(ToString::to_string).collect())),
        ("Denied tools", listed(settings.denied_tools.iter().map(ToString::to_string).collect())),
        ("Secrets", listed(settings.secrets.iter().map(ToString::to_string).collect())),
        ("Commands at once", settings.max_running.to_string()),
    ];
    facts.extend(limit_facts(&settings.limits));
    facts
}
