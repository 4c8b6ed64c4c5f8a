//! Changing a webhook. If another has changed it meanwhile, the page shows the difference and keeps what was typed.

use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem, StatusCode};
use rdev_pages::{Conflict, Form, FormFaults, Notice, View};
use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::Webhook;

use super::create::{FormPage, types};
use super::draft::{self, Draft};
use super::{PathWebhook, find};
use crate::{Shared, failure};

pub(crate) async fn edit(
    State(services): State<Shared>,
    view: View,
    PathWebhook(webhook): PathWebhook,
) -> Result<Response, Problem> {
    let draft = Draft::of_webhook(&webhook);
    view.page("Edit webhook", &page(&services, &view, &webhook, &draft, &FormFaults::default(), false))
}

pub(crate) async fn save(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    form: Form,
) -> Result<Response, Problem> {
    let (draft, mut faults) = (Draft::of_form(&form), FormFaults::default());
    if form.text("version") != webhook.version.to_string() {
        let page = page(&services, &view, &webhook, &draft, &faults, true);
        return view.page_with(StatusCode::CONFLICT, "Edit webhook", &page);
    }
    if let Some(settings) = draft.settings(Some(&webhook), &caller.access, &mut faults) {
        match services.webhooks.update(&webhook, settings, draft.is_enabled()).await {
            Ok(saved) => {
                let text = if saved.version == webhook.version {
                    "Nothing was changed."
                } else {
                    "The webhook was saved."
                };
                return Ok(view.redirect_with(&format!("/webhooks/{}", webhook.id), &Notice::new(text)));
            }
            Err(WebhookError::VersionMismatch) => {
                let webhook = find(&services, &caller.access, webhook.id).await?;
                let page = page(&services, &view, &webhook, &draft, &faults, true);
                return view.page_with(StatusCode::CONFLICT, "Edit webhook", &page);
            }
            Err(WebhookError::Invalid(found)) => {
                found.iter().for_each(|violation| faults.at(draft::place(violation), violation));
            }
            Err(error) => return Err(failure::of_webhook(error)),
        }
    }
    let page = page(&services, &view, &webhook, &draft, &faults, false);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Edit webhook", &page)
}

fn page(
    services: &Services,
    view: &View,
    webhook: &Webhook,
    draft: &Draft,
    faults: &FormFaults,
    is_conflict: bool,
) -> FormPage {
    let path = format!("/webhooks/{}", webhook.id);
    let differences = if is_conflict { draft.differences(&Draft::of_webhook(webhook)) } else { Vec::new() };
    FormPage {
        title: "Edit webhook",
        action: view.once(&format!("{path}/edit")),
        back: view.url(&path),
        submit: if is_conflict { "Save what I typed" } else { "Save" },
        inputs: draft.inputs(faults, false, &types(services)),
        is_wrong: !faults.is_empty(),
        version: Some(webhook.version),
        conflict: Conflict::new("webhook", differences),
    }
}
