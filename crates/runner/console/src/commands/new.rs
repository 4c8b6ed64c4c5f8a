//! Queuing a command.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_core::ProjectName;
use rdev_http::{Caller, OperationIds, Problem, StatusCode};
use rdev_pages::{Form, FormFaults, Input, Notice, PageQuery, View, span};
use rdev_runner_app::{CommandsError, LimitChanges, NewCommand, Services, Setting};
use rdev_runner_domain::{PermissionProfile, ProjectFilter, Session};

use crate::{Shared, failure, words};

/// The number of projects that the form offers; more are typed.
const MAX_OFFERED: u32 = 100;
/// Those that take commands.
const IN_USE: ProjectFilter = ProjectFilter { is_archived: Some(false) };

#[derive(Template)]
#[template(path = "commands/new.html")]
struct NewPage {
    action: String,
    back: String,
    first: Vec<Input>,
    more: Vec<Input>,
    is_more_used: bool,
    /// What is wrong with what the form does not have.
    others: Vec<String>,
    is_wrong: bool,
}

pub(crate) async fn new(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let page = page(&services, &view, &caller, &query, &FormFaults::default()).await?;
    view.page("New command", &page)
}

pub(crate) async fn create(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let (project, new) = read(&form, &mut faults);
    if let Some(project) = project.filter(|_| faults.is_empty()) {
        match services.commands.create(&caller.access, &project, new, ids).await {
            Ok(command) => {
                let notice = Notice::new("The command was queued.");
                return Ok(view.redirect_with(&format!("/commands/{}", command.id), &notice));
            }
            Err(CommandsError::NoProject) => faults.at("project", "is none of the projects that you see"),
            Err(error @ (CommandsError::Archived | CommandsError::Deleting)) => faults.at("project", error),
            Err(CommandsError::Invalid(found)) => {
                found.iter().for_each(|fault| faults.at(field(fault.fault.pointer()), fault));
            }
            Err(error) => return Err(failure::of_command(error)),
        }
    }
    let page = page(&services, &view, &caller, &form, &faults).await?;
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "New command", &page)
}

/// Returns the field of a faulty member, and the empty one for a member that the form does not have.
fn field(pointer: &str) -> &'static str {
    match pointer {
        "/type" => "type",
        "/prompt" => "prompt",
        "/model" => "model",
        "/permissions" => "permissions",
        "/limits/wall_ms" => "wall",
        "/limits/max_turns" => "turns",
        "/limits/max_budget_usd" => "budget",
        _ if pointer.starts_with("/session") => "session",
        _ => "",
    }
}

fn read(form: &Form, faults: &mut FormFaults) -> (Option<ProjectName>, NewCommand) {
    let project = faults.check("project", form.text("project").trim().parse());
    let session = match form.given("session") {
        Some(text) => faults.check("session", text.parse()).map(|session| match form.text("mode") {
            "fork" => Session::Fork(session),
            _ => Session::Resume(session),
        }),
        None => None,
    };
    let permissions = |text| PermissionProfile::parse(text).ok_or("is none of the choices");
    let number = |text: &str| text.parse().map_err(|_| "must be a number");
    let limits = LimitChanges {
        wall: given(form, faults, "wall", span::parse),
        max_turns: given(form, faults, "turns", |text| text.parse().map_err(|_| "must be a whole number")),
        max_budget_usd: given(form, faults, "budget", number),
        ..LimitChanges::default()
    };
    let new = NewCommand {
        provider: form.given("type").and_then(|text| faults.check("type", text.parse())),
        prompt: form.text("prompt").to_owned(),
        session: session.unwrap_or(Session::New),
        model: form.given("model").and_then(|text| faults.check("model", text.parse())),
        permissions: form
            .given("permissions")
            .and_then(|text| faults.check("permissions", permissions(text))),
        allowed_tools: None,
        denied_tools: None,
        limits,
        secrets: None,
    };
    (project, new)
}

fn given<T>(
    form: &Form,
    faults: &mut FormFaults,
    name: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> Setting<T> {
    let value = form.given(name).and_then(|text| faults.check(name, parse(text)));
    value.map_or(Setting::Kept, Setting::Value)
}

async fn page(
    services: &Services,
    view: &View,
    caller: &Caller,
    form: &Form,
    faults: &FormFaults,
) -> Result<NewPage, Problem> {
    let filled = |input: Input, name: &str| input.value(form.text(name)).fault(faults.of(name));
    let line = |name: &'static str, label: &'static str| filled(Input::line(name, label), name);
    let offered = services.projects.list(&caller.access, IN_USE, None, MAX_OFFERED).await?;
    let project = match offered.has_more || offered.items.is_empty() {
        true => line("project", "Project"),
        false => {
            let names =
                offered.items.iter().map(|project| (project.name.to_string(), project.name.to_string()));
            filled(Input::choice("project", "Project", names), "project")
        }
    };
    let providers = services.providers.names().into_iter().map(|name| (name.to_string(), name.to_string()));
    let providers = std::iter::once((String::new(), "That of the project".to_owned())).chain(providers);
    let profiles = PermissionProfile::ALL.iter().map(|one| (one.as_str(), words::permissions(*one)));
    let profiles = std::iter::once(("", "Those of the project")).chain(profiles);
    let more = vec![
        line("model", "Model").help("Empty for that of the project or of the agent."),
        filled(Input::choice("permissions", "Permissions", profiles), "permissions"),
        line("session", "Session").help("Empty for a new one."),
        filled(
            Input::choice("mode", "With the session", [("resume", "Resume it"), ("fork", "Fork it")]),
            "mode",
        ),
        line("wall", "Longest run").help("Such as 30m. Empty for the limit of the project."),
        line("turns", "Most turns").help("Empty for the limit of the project."),
        line("budget", "Budget in US dollars").help("Empty for the limit of the project."),
    ];
    const MORE: [&str; 6] = ["model", "permissions", "session", "wall", "turns", "budget"];
    let others = faults.iter().filter(|(field, _)| field.is_empty()).map(|(_, detail)| detail.to_owned());
    Ok(NewPage {
        action: view.once("/commands/new"),
        back: view.url("/commands"),
        first: vec![
            project.required(),
            filled(Input::choice("type", "Provider", providers), "type"),
            filled(Input::area("prompt", "Prompt", 8), "prompt").required(),
        ],
        more,
        is_more_used: MORE.iter().any(|name| form.given(name).is_some() || !faults.of(name).is_empty()),
        others: others.collect(),
        is_wrong: !faults.is_empty(),
    })
}
