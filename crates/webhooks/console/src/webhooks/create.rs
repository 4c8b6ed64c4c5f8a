//! Creating a webhook.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, OperationIds, Problem, StatusCode};
use rdev_pages::{Conflict, Form, FormFaults, Notice, PageQuery, View};
use rdev_webhooks_app::{Services, WebhookError};
use secrecy::ExposeSecret;

use super::draft::{self, Draft, Inputs};
use crate::{Shared, failure};

/// The form of a webhook, new or not.
#[derive(Template)]
#[template(path = "webhooks/form.html")]
pub(super) struct FormPage {
    pub(super) title: &'static str,
    pub(super) action: String,
    pub(super) back: String,
    pub(super) submit: &'static str,
    pub(super) inputs: Inputs,
    pub(super) is_wrong: bool,
    /// The version that was read; `None` for a new webhook.
    pub(super) version: Option<u64>,
    /// What another has changed meanwhile.
    pub(super) conflict: Conflict,
}

pub(crate) async fn new(
    State(services): State<Shared>,
    view: View,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let page = page(&services, &view, &Draft::new(&query), &FormFaults::default());
    view.page("New webhook", &page)
}

pub(crate) async fn create(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let (draft, mut faults) = (Draft::of_form(&form), FormFaults::default());
    let secret = draft.secret(&mut faults);
    if let Some(settings) = draft.settings(None, &caller.access, &mut faults) {
        match services.webhooks.create(settings, secret, draft.is_enabled(), ids).await {
            Ok(created) => {
                let notice = Notice::new("The webhook was created. Give its receiver this secret.")
                    .with_secret("Signing secret", created.secret.expose().expose_secret());
                return Ok(view.redirect_with(&format!("/webhooks/{}", created.webhook.id), &notice));
            }
            Err(WebhookError::Invalid(found)) => {
                found.iter().for_each(|violation| faults.at(draft::place(violation), violation));
            }
            Err(error) => return Err(failure::of_webhook(error)),
        }
    }
    let page = page(&services, &view, &draft, &faults);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "New webhook", &page)
}

fn page(services: &Services, view: &View, draft: &Draft, faults: &FormFaults) -> FormPage {
    FormPage {
        title: "New webhook",
        action: view.once("/webhooks/new"),
        back: view.url("/webhooks"),
        submit: "Create webhook",
        inputs: draft.inputs(faults, true, &types(services)),
        is_wrong: !faults.is_empty(),
        version: None,
        conflict: Conflict::default(),
    }
}

/// The number of event types that the help of the form lists.
const MAX_LISTED: usize = 12;

/// Returns the event types to subscribe to, for the help of the form.
pub(super) fn types(services: &Services) -> String {
    let known = services.event_types.subscribable();
    let names: Vec<_> = known.iter().take(MAX_LISTED).map(|name| name.as_str()).collect();
    let more = if known.len() > MAX_LISTED { ", and others under Event types" } else { "" };
    format!("{}{more}", names.join(", "))
}
