//! Enabling and disabling a webhook.

use axum::extract::State;
use axum::response::Response;
use rdev_http::{Problem, ProblemCode};
use rdev_pages::{Notice, View};
use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::Webhook;

use super::PathWebhook;
use crate::{Shared, failure};

pub(crate) async fn enable(
    State(services): State<Shared>,
    view: View,
    PathWebhook(webhook): PathWebhook,
) -> Result<Response, Problem> {
    let text = "The webhook is enabled. What waited for it is delivered now.";
    set(&services, &view, &webhook, true, text).await
}

pub(crate) async fn disable(
    State(services): State<Shared>,
    view: View,
    PathWebhook(webhook): PathWebhook,
) -> Result<Response, Problem> {
    let text = "The webhook is disabled. It gets no new events, and what waits for it is kept.";
    set(&services, &view, &webhook, false, text).await
}

async fn set(
    services: &Services,
    view: &View,
    webhook: &Webhook,
    enabled: bool,
    text: &str,
) -> Result<Response, Problem> {
    match services.webhooks.update(webhook, webhook.settings.clone(), enabled).await {
        Ok(_) => Ok(view.redirect_with(&format!("/webhooks/{}", webhook.id), &Notice::new(text))),
        Err(WebhookError::Invalid(found)) => {
            let detail =
                found.iter().map(|violation| format!("The webhook {violation}.")).collect::<Vec<_>>();
            Err(Problem::new(ProblemCode::VALIDATION_FAILED, detail.join(" ")))
        }
        Err(error) => Err(failure::of_webhook(error)),
    }
}
