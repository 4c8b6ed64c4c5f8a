//! Storing a credential. What was typed as its value is on no page, also if something else is wrong.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem, StatusCode};
use rdev_pages::{Form, FormFaults, Input, Notice, View, span};
use rdev_runner_app::{CredentialFault, CredentialsError, NewCredential, Setting};
use rdev_runner_domain::{Credential, CredentialKind, MAX_CREDENTIAL_OVERLAP, SecretName, Timestamp};
use secrecy::SecretString;

use super::{kind, projects};
use crate::path::PathCredential;
use crate::{Shared, failure};

/// How long a replaced value is kept, unless the form says something else.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Template)]
#[template(path = "credentials/form.html")]
struct FormPage {
    title: &'static str,
    action: String,
    back: String,
    inputs: Vec<Input>,
    is_wrong: bool,
}

pub(crate) async fn new(view: View) -> Result<Response, Problem> {
    view.page("New credential", &page(&view, &Form::default(), &FormFaults::default(), None))
}

pub(crate) async fn create(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let name: Option<SecretName> = faults.check("name", form.text("name").trim().parse());
    if let Some(name) = &name
        && services.credentials.get(&caller.access, name).await.is_ok()
    {
        faults.at("name", "is that of a credential that exists: change that one on its page");
    }
    store(&services, &view, &caller, &form, faults, (name, None)).await
}

pub(crate) async fn edit(
    view: View,
    PathCredential(credential): PathCredential,
) -> Result<Response, Problem> {
    let present = stored(&credential);
    view.page("Change credential", &page(&view, &present, &FormFaults::default(), Some(&credential)))
}

pub(crate) async fn save(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathCredential(credential): PathCredential,
    form: Form,
) -> Result<Response, Problem> {
    let name = Some(credential.name.clone());
    store(&services, &view, &caller, &form, FormFaults::default(), (name, Some(&credential))).await
}

async fn store(
    services: &Shared,
    view: &View,
    caller: &Caller,
    form: &Form,
    mut faults: FormFaults,
    (name, present): (Option<SecretName>, Option<&Credential>),
) -> Result<Response, Problem> {
    let new = read(form, &mut faults, present);
    if let Some(name) = name.filter(|_| faults.is_empty()) {
        match services.credentials.put(&caller.access, name, new, caller.key).await {
            Ok((credential, _)) => {
                let notice = Notice::new("The credential was stored.");
                return Ok(view.redirect_with(&format!("/credentials/{}", credential.name), &notice));
            }
            Err(CredentialsError::Invalid(found)) => {
                found.iter().for_each(|fault| faults.at(field(fault), fault));
            }
            // To the caller there is none of that name, though there is one.
            Err(CredentialsError::NotFound) => {
                faults.at("name", "is taken by a credential of other projects");
            }
            Err(error) => return Err(failure::of_credential(error)),
        }
    }
    let title = if present.is_some() { "Change credential" } else { "New credential" };
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, title, &page(view, form, &faults, present))
}

/// Returns the field of a fault.
fn field(fault: &CredentialFault) -> &'static str {
    match fault {
        CredentialFault::Value(_) | CredentialFault::ValueRequired => "value",
        CredentialFault::KindRequired | CredentialFault::OtherKind | CredentialFault::ReservedName => "kind",
        CredentialFault::Past => "expires_at",
        CredentialFault::NoProject | CredentialFault::ProjectsRequired | CredentialFault::NotYours(_) => {
            "projects"
        }
    }
}

fn read(form: &Form, faults: &mut FormFaults, present: Option<&Credential>) -> NewCredential {
    let kind = CredentialKind::parse(form.text("kind")).ok_or("is none of the choices");
    let value = Some(form.text("value")).filter(|text| !text.is_empty());
    let mut projects = Vec::new();
    for line in form.lines("projects") {
        projects.extend(faults.check("projects", line.parse().map_err(|error| format!("`{line}` {error}"))));
    }
    let expires_at = form.given("expires_at");
    let expires_at = match expires_at.and_then(|text| faults.check("expires_at", text.parse::<Timestamp>())) {
        // The end of a value that stays may have passed.
        Some(end) if value.is_none() && present.and_then(Credential::expires_at) == Some(end) => {
            Setting::Kept
        }
        Some(end) => Setting::Value(end),
        None => Setting::Reset,
    };
    let overlap = form.given("overlap").map_or(Ok(OVERLAP), |text| {
        let fault = || format!("must be at most {}", span::text(MAX_CREDENTIAL_OVERLAP));
        let overlap = span::parse(text).map_err(str::to_owned)?;
        if overlap <= MAX_CREDENTIAL_OVERLAP { Ok(overlap) } else { Err(fault()) }
    });
    NewCredential {
        kind: faults.check("kind", kind),
        value: value.map(SecretString::from),
        projects: if projects.is_empty() { Setting::Reset } else { Setting::Value(projects) },
        expires_at,
        overlap: faults.check("overlap", overlap).unwrap_or(OVERLAP),
    }
}

/// Returns the fields of a stored credential.
fn stored(credential: &Credential) -> Form {
    Form::from_iter([
        ("kind", credential.kind.as_str().to_owned()),
        ("projects", projects(credential).unwrap_or_default().join("\n")),
        ("expires_at", credential.expires_at().map(|at| at.to_string()).unwrap_or_default()),
    ])
}

fn page(view: &View, form: &Form, faults: &FormFaults, present: Option<&Credential>) -> FormPage {
    let filled = |input: Input, name: &str| input.value(form.text(name)).fault(faults.of(name));
    let kinds = CredentialKind::ALL.iter().map(|one| (one.as_str(), kind(*one)));
    let lost = if faults.is_empty() { "" } else { "Enter it again: a page does not keep it. " };
    let value = Input::area("value", "Value", 4).fault(faults.of("value"));
    let value = match present {
        None => value.required().help(format!("{lost}For git: the lines host=, username= and password=.")),
        Some(_) => value.help(format!("{lost}Empty to keep the present one.")),
    };
    let mut inputs = vec![
        filled(Input::choice("kind", "Kind", kinds), "kind"),
        value,
        filled(Input::area("projects", "Projects", 3), "projects")
            .help("Those that may use it, one a line. Empty for all."),
        filled(Input::line("expires_at", "Expires at"), "expires_at")
            .help("As 2026-01-31T00:00:00Z. Empty for never."),
    ];
    let (title, action, back) = match present {
        None => {
            let name = filled(Input::line("name", "Name"), "name");
            inputs.insert(0, name.required().help("Also the name of the variable, such as NPM_TOKEN."));
            ("New credential", view.once("/credentials/new"), view.url("/credentials"))
        }
        Some(present) => {
            let overlap = filled(Input::line("overlap", "Keep a replaced value for"), "overlap");
            inputs.push(overlap.help("Such as 1h, for the runs that have it. Empty for a day."));
            let path = format!("/credentials/{}", present.name);
            ("Change credential", view.once(&format!("{path}/edit")), view.url(&path))
        }
    };
    FormPage { title, action, back, inputs, is_wrong: !faults.is_empty() }
}
