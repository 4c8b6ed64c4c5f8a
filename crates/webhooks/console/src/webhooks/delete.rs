//! Deleting a webhook.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, Notice, View};
use rdev_webhooks_domain::Webhook;

use super::PathWebhook;
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "webhooks/delete.html")]
struct DeletePage {
    action: String,
    back: String,
    webhook: Webhook,
}

/// Asks before it deletes.
pub(crate) async fn confirm(view: View, PathWebhook(webhook): PathWebhook) -> Result<Response, Problem> {
    let path = format!("/webhooks/{}", webhook.id);
    let (action, back) = (view.once(&format!("{path}/delete")), view.url(&path));
    view.page("Delete webhook", &DeletePage { action, back, webhook })
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    form: Form,
) -> Result<Response, Problem> {
    let versions: Vec<u64> = form.text("version").parse().into_iter().collect();
    let deleted = services.webhooks.delete(&caller.access, webhook.id, Some(&versions)).await;
    deleted.map_err(failure::of_webhook)?;
    Ok(view.redirect_with(
        "/webhooks",
        &Notice::new("The webhook was deleted. Its history stays under Deliveries."),
    ))
}
