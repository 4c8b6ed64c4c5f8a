//! Creating and deleting an API key.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use rdev_access::{ApiKey, ApiKeyError, ApiKeyViolation, NewApiKey};
use rdev_http::{OperationIds, PathId, Problem, StatusCode};
use rdev_pages::{Form, FormFaults, Input, Notice, View};
use rdev_webhooks_domain::{Access, ApiKeyId, ProjectName, Scope, scopes};
use secrecy::ExposeSecret;

use super::{FurtherScopes, failed};
use crate::Shared;

const MAX_NAME: usize = 100;

#[derive(Template)]
#[template(path = "api_keys/new.html")]
struct NewPage {
    action: String,
    back: String,
    inputs: [Input; 3],
    scopes: Vec<Choice>,
    fault: String,
}

/// A scope to choose.
struct Choice {
    scope: Scope,
    meaning: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "api_keys/delete.html")]
struct DeletePage {
    back: String,
    action: String,
    key: ApiKey,
    is_own: bool,
}

pub(crate) async fn new(
    view: View,
    Extension(further): Extension<FurtherScopes>,
) -> Result<Response, Problem> {
    view.page("New API key", &page(&view, &further, &Form::default(), &FormFaults::default()))
}

pub(crate) async fn create(
    State(services): State<Shared>,
    view: View,
    Extension(further): Extension<FurtherScopes>,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    if let Some(new) = read(&form, &mut faults) {
        match services.api_keys.create(new, ids).await {
            Ok(created) => {
                let notice = Notice::new("The API key was created.")
                    .with_secret("API key", created.secret.expose().expose_secret());
                return Ok(view.redirect_with("/api-keys", &notice));
            }
            Err(ApiKeyError::Invalid(found)) => {
                found.iter().for_each(|violation| faults.at(place(*violation), violation));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "New API key", &page(&view, &further, &form, &faults))
}

fn read(form: &Form, faults: &mut FormFaults) -> Option<NewApiKey> {
    let name = form.given("name").map(str::to_owned);
    if name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME || name.chars().any(char::is_control))
    {
        faults.at("name", format!("must be at most {MAX_NAME} characters of text"));
    }
    let mut projects: Vec<ProjectName> = Vec::new();
    for line in form.lines("projects") {
        projects.extend(faults.check("projects", line.parse().map_err(|error| format!("`{line}` {error}"))));
    }
    let expires_at = form.given("expires_at").and_then(|text| faults.check("expires_at", text.parse()));
    let chosen: Vec<Scope> =
        form.all("scope").filter_map(|text| faults.check("scope", text.parse())).collect();
    let access = Access::new(chosen);
    let access = if projects.is_empty() { access } else { access.with_projects(projects) };
    faults.is_empty().then_some(NewApiKey { name, access, expires_at })
}

fn place(violation: ApiKeyViolation) -> &'static str {
    match violation {
        ApiKeyViolation::NoScope => "scope",
        ApiKeyViolation::NoProject | ApiKeyViolation::LimitedAdministrator => "projects",
        ApiKeyViolation::Expired => "expires_at",
    }
}

fn page(view: &View, further: &FurtherScopes, form: &Form, faults: &FormFaults) -> NewPage {
    let filled = |input: Input, name: &str| input.value(form.text(name)).fault(faults.of(name));
    let meaning = |scope: &Scope| match scope {
        scope if *scope == scopes::EVENTS_WRITE => "publish events",
        scope if *scope == scopes::WEBHOOKS_READ => "read webhooks, events and deliveries",
        _ => "change webhooks, redeliver and replay; includes reading",
    };
    let own = scopes::ALL.into_iter().filter(|scope| *scope != Scope::ADMIN);
    let own = own.map(|scope| (scope.clone(), meaning(&scope)));
    NewPage {
        action: view.once("/api-keys/new"),
        back: view.url("/api-keys"),
        inputs: [
            filled(Input::line("name", "Name"), "name").help("What it is for, such as shop-backend."),
            filled(Input::area("projects", "Projects", 3), "projects")
                .help("One a line: the key sees nothing else. Empty for all."),
            filled(Input::line("expires_at", "Expires at"), "expires_at")
                .help("As 2026-01-31T00:00:00Z. Empty for never."),
        ],
        scopes: own
            .chain(further.0.iter().cloned())
            .chain([(Scope::ADMIN, "everything, also API keys and event types")])
            .map(|(scope, meaning)| Choice {
                meaning,
                is_chosen: form.all("scope").any(|chosen| chosen == scope.as_str()),
                scope,
            })
            .collect(),
        fault: faults.of("scope").to_owned(),
    }
}

/// Asks before it deletes.
pub(crate) async fn confirm(
    State(services): State<Shared>,
    view: View,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Response, Problem> {
    let key = services.api_keys.get(id).await.map_err(failed)?;
    let is_own = view.session().is_some_and(|session| session.caller.key == Some(key.id));
    let action = view.once(&format!("/api-keys/{}/delete", key.id));
    view.page("Delete API key", &DeletePage { back: view.url("/api-keys"), action, key, is_own })
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Response, Problem> {
    services.api_keys.delete(id).await.map_err(failed)?;
    let notice = Notice::new("The API key was deleted. Its requests and sessions are refused from now on.");
    Ok(view.redirect_with("/api-keys", &notice))
}
