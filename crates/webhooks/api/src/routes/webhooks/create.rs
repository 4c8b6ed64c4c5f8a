//! `POST /webhooks`: creates a webhook. 201 with `Location`, `ETag` and the webhook with its secret.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ETAG;
use rdev_webhooks_app::Services;

use super::request::{self, WebhookBody};
use crate::views::CreatedView;
use rdev_http::body::Document;
use rdev_http::{Caller, OperationIds, Problem, tag};

/// Create a webhook
///
/// The response contains the signing `secret`, which is shown only once.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    operation_id = "createWebhook",
    security(("api_key" = ["webhooks:write"])),
    request_body = WebhookBody,
    responses((
        status = 201,
        description = "The webhook was created.",
        body = CreatedView,
        headers(("Location"), ("ETag"))
    ))
)]
pub(crate) async fn create(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    OperationIds(ids): OperationIds,
    document: Document,
) -> Result<Response, Problem> {
    let (subscription, read) = request::read(&document, None, &services.event_types, &caller.access);
    let request = match read {
        Ok(request) => request,
        Err(faults) => return Err(subscription.validate(&services.webhooks, faults).await),
    };
    let created = services.webhooks.create(request.settings, request.secret, request.enabled, ids).await;
    let created = created.map_err(|error| subscription.explain(error))?;

    let tag = tag::of_version(created.webhook.version, &[]);
    let location = format!("{}/{}", uri.path(), created.webhook.id);
    let shown = CreatedView::from(&created);
    Ok(([(ETAG, tag)], rdev_http::created(StatusCode::CREATED, location, &shown)).into_response())
}
