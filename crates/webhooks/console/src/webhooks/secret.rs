//! Rotating the signing secret of a webhook.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, OperationIds, Problem, StatusCode};
use rdev_pages::{Form, FormFaults, Input, Notice, View, span};
use rdev_webhooks_app::WebhookError;
use rdev_webhooks_domain::{SecretRotation, Timestamp, Webhook};
use secrecy::ExposeSecret;

use super::PathWebhook;
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "webhooks/secret.html")]
struct SecretPage {
    path: String,
    action: String,
    webhook: Webhook,
    inputs: [Input; 2],
}

/// Until when an old secret may sign, at most.
const MAX_OVERLAP: Duration = Duration::from_secs(SecretRotation::MAX_OVERLAP_SECONDS as u64);

pub(crate) async fn show_rotation(
    view: View,
    PathWebhook(webhook): PathWebhook,
) -> Result<Response, Problem> {
    view.page("Rotate secret", &page(&view, webhook, "1d", &FormFaults::default()))
}

pub(crate) async fn rotate(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathWebhook(webhook): PathWebhook,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let overlap = span::parse(form.text("overlap").trim()).map_err(str::to_owned).and_then(|overlap| {
        let fault = || format!("must be at most {}", span::text(MAX_OVERLAP));
        (overlap <= MAX_OVERLAP).then_some(overlap).ok_or_else(fault)
    });
    let overlap = faults.check("overlap", overlap);
    let secret = form.given("secret").and_then(|text| faults.check("secret", text.parse()));
    if faults.is_empty()
        && let Some(overlap) = overlap
    {
        let versions = form.text("version").parse().ok().map(|version| vec![version]);
        let rotated =
            services.webhooks.rotate_secret(&caller.access, webhook.id, secret, overlap, versions, ids);
        match rotated.await {
            Ok(rotated) => {
                let until = rotated.webhook.previous_secret_at(view.now()).map(|previous| previous.until);
                let notice = Notice::new(sentence(&view, until))
                    .with_secret("New signing secret", rotated.secret.expose().expose_secret());
                return Ok(view.redirect_with(&format!("/webhooks/{}", webhook.id), &notice));
            }
            Err(WebhookError::Invalid(found)) => {
                found.iter().for_each(|violation| faults.at("secret", violation));
            }
            Err(error) => return Err(failure::of_webhook(error)),
        }
    }
    let page = page(&view, webhook, form.text("overlap"), &faults);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Rotate secret", &page)
}

fn sentence(view: &View, until: Option<Timestamp>) -> String {
    match until {
        Some(until) => {
            format!("The secret was rotated. The old one also signs until {}.", view.moment(until).absolute())
        }
        None => "The secret was rotated. The old one signs no more.".to_owned(),
    }
}

fn page(view: &View, webhook: Webhook, overlap: &str, faults: &FormFaults) -> SecretPage {
    let path = format!("/webhooks/{}", webhook.id);
    SecretPage {
        action: view.once(&format!("{path}/secret")),
        path: view.url(&path),
        webhook,
        inputs: [
            Input::line("overlap", "The old secret also signs for")
                .value(overlap)
                .fault(faults.of("overlap"))
                .help("Such as 1d, so that receivers can change theirs without a gap. 0s if it has leaked."),
            Input::secret("secret", "New secret")
                .fault(faults.of("secret"))
                .help("Empty to generate one, which is the rule."),
        ],
    }
}
