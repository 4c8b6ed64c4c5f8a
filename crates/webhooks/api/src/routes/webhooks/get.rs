//! `GET /webhooks/{id}`: a webhook with its `ETag`; 304 if `If-None-Match` names it.

use axum::body::HttpBody;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, ETAG, HeaderValue};
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::WebhookView;
use rdev_http::{Caller, PathId, tag};

/// Get a webhook
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    tag = "webhooks",
    operation_id = "getWebhook",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::WebhookId, Path), ("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "The webhook.", body = WebhookView, headers(("ETag"))),
        (status = 304, description = "Not modified: `If-None-Match` matches the current `ETag`.", headers(("ETag")))
    )
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let webhook = services.webhooks.get(&caller.access, id).await?;
    let shown = circuits(&services, &[id]).await?.show(&webhook);
    let tag = shown.etag();
    let is_known = tag::is_known(&headers, &tag);
    let tag = [(ETAG, tag)];
    let shown = rdev_http::json(&shown);
    if is_known {
        // A length in this response must be that of the body that is not sent.
        let length = [(CONTENT_LENGTH, HeaderValue::from(shown.body().size_hint().lower()))];
        return Ok((StatusCode::NOT_MODIFIED, tag, length).into_response());
    }
    Ok((tag, shown).into_response())
}
