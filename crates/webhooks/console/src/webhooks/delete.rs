//! Deleting a webhook.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, Notice, View};
use rdev_webhooks_domain::Webhook;

use super::find;
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "webhooks/delete.html")]
struct DeletePage {
    path: String,
    webhook: Webhook,
}

/// Asks before it deletes.
pub(crate) async fn confirm(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let webhook = find(&services, &caller.access, &id).await?;
    let path = view.url(&format!("/webhooks/{}", webhook.id));
    view.page("Delete webhook", &DeletePage { path, webhook })
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Problem> {
    let webhook = find(&services, &caller.access, &id).await?;
    let versions: Vec<u64> = form.text("version").parse().into_iter().collect();
    let deleted = services.webhooks.delete(&caller.access, webhook.id, Some(&versions)).await;
    deleted.map_err(failure::of_webhook)?;
    Ok(view.redirect_with(
        "/webhooks",
        &Notice::new("The webhook was deleted. Its history stays under Deliveries."),
    ))
}
