//! Registering, changing and deleting an event type.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rdev_core::json::indented;
use rdev_http::{Problem, StatusCode};
use rdev_pages::{CONFLICT, Form, FormFaults, Input, Notice, View};
use rdev_webhooks_app::{EventData, NewEventType, RegistryError, Services};
use rdev_webhooks_domain::EventType;

use super::list::find;
use crate::Shared;

#[derive(Template)]
#[template(path = "event_types/form.html")]
struct FormPage {
    title: &'static str,
    action: String,
    back: String,
    inputs: Vec<Input>,
    is_wrong: bool,
}

#[derive(Template)]
#[template(path = "event_types/delete.html")]
struct DeletePage {
    action: String,
    back: String,
    name: String,
}

pub(crate) async fn new(view: View) -> Result<Response, Problem> {
    view.page("New event type", &page(&view, None, &Form::default(), &FormFaults::default()))
}

pub(crate) async fn edit(
    State(services): State<Shared>,
    view: View,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let known = find(&services, &name)?;
    let examples: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(&known.examples).unwrap_or_default();
    let examples: Vec<_> = examples.iter().map(|example| example.get().to_owned()).collect();
    let stored = Form::from_iter([
        ("description", known.description.unwrap_or_default()),
        ("schema", known.schema.as_deref().map(indented).unwrap_or_default()),
        ("examples", examples.join("\n")),
    ]);
    view.page("Edit event type", &page(&view, Some(&name), &stored, &FormFaults::default()))
}

/// Registers a new type.
pub(crate) async fn register(
    State(services): State<Shared>,
    view: View,
    form: Form,
) -> Result<Response, Problem> {
    put_form(&services, &view, None, &form).await
}

/// Replaces the type of the path.
pub(crate) async fn save(
    State(services): State<Shared>,
    view: View,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, Problem> {
    find(&services, &name)?;
    put_form(&services, &view, Some(&name), &form).await
}

async fn put_form(
    services: &Services,
    view: &View,
    known: Option<&str>,
    form: &Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let name: Option<EventType> = faults.check("name", known.unwrap_or(form.text("name").trim()).parse());
    if let Some(name) = &name
        && known.is_none()
        && services.event_types.get(name).is_some()
    {
        faults.at("name", "exists already");
    }
    let mut examples = Vec::new();
    for line in form.lines("examples") {
        examples.extend(faults.check("examples", line.parse::<EventData>()));
    }
    if let Some(name) = name
        && faults.is_empty()
    {
        let new = NewEventType {
            description: form.given("description").map(str::to_owned),
            schema: form.given("schema").map(str::to_owned),
            examples,
        };
        if put(services, name.clone(), new, &mut faults).await? {
            let notice = Notice::new("The event type was saved. Its events can be published now.");
            return Ok(view.redirect_with(&format!("/event-types/{name}"), &notice));
        }
    }
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Event type", &page(view, known, form, &faults))
}

/// Returns whether the type was registered; otherwise records why not.
async fn put(
    services: &Services,
    name: EventType,
    new: NewEventType,
    faults: &mut FormFaults,
) -> Result<bool, Problem> {
    match services.event_types.put(name, new).await {
        Ok(_) => return Ok(true),
        Err(RegistryError::Schema(found)) => found.iter().for_each(|fault| faults.at("schema", fault)),
        Err(error @ (RegistryError::Reserved | RegistryError::BuiltIn | RegistryError::Full)) => {
            faults.at("name", error);
        }
        Err(error @ RegistryError::TooManyExamples) => faults.at("examples", error),
        Err(RegistryError::Examples(found)) => {
            found
                .iter()
                .for_each(|(index, fault)| faults.at("examples", format!("line {}: {fault}", index + 1)));
        }
        Err(RegistryError::Store(error)) => return Err(error.into()),
        Err(other) => return Err(Problem::internal().caused_by(other)),
    }
    Ok(false)
}

/// Asks before it deletes.
pub(crate) async fn confirm(
    State(services): State<Shared>,
    view: View,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name = find(&services, &name)?.name.to_string();
    let path = format!("/event-types/{name}");
    let (action, back) = (view.once(&format!("{path}/delete")), view.url(&path));
    view.page("Delete event type", &DeletePage { action, back, name })
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name = find(&services, &name)?.name;
    match services.event_types.remove(&name).await {
        Ok(()) => {
            Ok(view
                .redirect_with("/event-types", &Notice::new(format!("The event type {name} was deleted."))))
        }
        Err(RegistryError::Subscribed) => Err(Problem::new(
            CONFLICT,
            "A webhook subscribes to this event type by name. Change the webhook first.",
        )),
        Err(RegistryError::NotFound) => Err(Problem::not_found("There is no such event type.")),
        Err(RegistryError::Store(error)) => Err(error.into()),
        Err(error) => Err(Problem::new(CONFLICT, format!("The event type cannot be deleted: {error}."))),
    }
}

fn page(view: &View, known: Option<&str>, given: &Form, faults: &FormFaults) -> FormPage {
    let filled = |input: Input, name: &str| input.value(given.text(name)).fault(faults.of(name));
    let name = known.is_none().then(|| {
        filled(Input::line("name", "Name"), "name")
            .required()
            .help("Words with dots between them, such as order.created.")
    });
    let back = known.map_or("/event-types".to_owned(), |name| format!("/event-types/{name}"));
    FormPage {
        title: if known.is_some() { "Edit event type" } else { "New event type" },
        action: view
            .once(&known.map_or("/event-types/new".to_owned(), |name| format!("/event-types/{name}/edit"))),
        back: view.url(&back),
        inputs: name
            .into_iter()
            .chain([
                filled(Input::line("description", "Description"), "description"),
                filled(Input::area("schema", "JSON Schema of its data", 12), "schema")
                    .help("Empty to accept any object."),
                filled(Input::area("examples", "Examples of its data", 5), "examples")
                    .help("One object a line. Each must match the schema."),
            ])
            .collect(),
        is_wrong: !faults.is_empty(),
    }
}
