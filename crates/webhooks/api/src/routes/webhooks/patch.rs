//! `PATCH /webhooks/{id}`: updates a webhook by a JSON merge patch. 200 with the webhook and its new `ETag`.
//! With `If-Match` only if it names the webhook's version, otherwise 412.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::ETAG;
use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::{Access, Webhook, WebhookId};

use super::circuits::circuits;
use super::request::{self, WebhookPatchBody};
use crate::failure::{self, Failure};
use crate::schema_types as types;
use crate::views::WebhookView;
use rdev_http::body::Document;
use rdev_http::tag::IfMatch;
use rdev_http::{Caller, PathId, Problem, ProblemCode};

/// Maximum number of versions over which a body is merged, if the webhook changes in between.
const MAX_TRIES: u32 = 25;

/// Update a webhook
///
/// Applies a JSON merge patch (RFC 7396): absent members stay unchanged, and `null` removes a setting or resets it to
/// its default. `headers` merges by name. A `retry` object is merged over the current policy, and a `schedule_ms`
/// replaces it.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    tag = "webhooks",
    operation_id = "updateWebhook",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path), ("If-Match" = Option<String>, Header)),
    request_body(content(
        (WebhookPatchBody = "application/merge-patch+json"),
        (WebhookPatchBody = "application/json")
    )),
    responses((status = 200, description = "The webhook was updated.", body = WebhookView, headers(("ETag")))),
    extensions(("x-problems" = json!(["version_mismatch"])))
)]
pub(crate) async fn patch(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let condition = IfMatch::of(&headers);
    let before = circuits(&services, &[id]).await?;
    for _ in 0..MAX_TRIES {
        if let Some(webhook) = try_once(&services, &caller.access, id, &condition, &document).await? {
            // The webhook is updated already, so the response does not depend on this query.
            let shown = circuits(&services, &[id]).await.unwrap_or(before).show(&webhook);
            return Ok(([(ETAG, shown.etag())], rdev_http::json(&shown)).into_response());
        }
    }
    let detail = "The webhook is being changed by other requests. Nothing was changed; try again.";
    Err(Problem::new(ProblemCode::UNAVAILABLE, detail))
}

/// Merges the body over the present version and updates that. Returns `None` if the webhook changed in between
/// and the client set no condition.
async fn try_once(
    services: &Services,
    access: &Access,
    id: WebhookId,
    condition: &IfMatch,
    document: &Document,
) -> Result<Option<Webhook>, Problem> {
    let present = services.webhooks.get(access, id).await.map_err(Failure::from)?;
    if !condition.holds(present.version) {
        return Err(failure::version_mismatch());
    }
    let (subscription, read) = request::read(document, Some(&present), &services.event_types, access);
    let request = match read {
        Ok(request) => request,
        Err(faults) => return Err(subscription.validate(&services.webhooks, faults).await),
    };
    // The update checks what it changes. What the body repeats must be as valid.
    if subscription.repeats(&present.settings) {
        subscription.check(&services.webhooks).await?;
    }
    match services.webhooks.update(&present, request.settings, request.enabled).await {
        Ok(webhook) => Ok(Some(webhook)),
        Err(WebhookError::VersionMismatch) if *condition == IfMatch::Any => Ok(None),
        Err(error) => Err(subscription.explain(error)),
    }
}
