//! `POST /webhooks/{id}/secret/rotate`: rotates a webhook's secret; the old one also signs for as long as the
//! client asks. 200 with the webhook, its new `ETag` and the new secret. With `If-Match` only if it names the
//! webhook's version, otherwise 412.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::ETAG;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use super::circuits::circuits;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::RotatedView;
use rdev_http::Caller;
use rdev_http::OperationIds;
use rdev_http::PathId;
use rdev_http::body::Optional;
use rdev_http::kind::Integer;
use rdev_http::tag::IfMatch;

/// Default overlap in seconds, during which both secrets sign: a day.
const OVERLAP: u32 = 24 * 60 * 60;

/// Maximum overlap in seconds: a week.
const MAX_OVERLAP: u32 = 7 * 24 * 60 * 60;

rdev_http::members! {
    /// How to rotate a secret. The body may be omitted.
    struct RotationBody as Rotation {
        /// How long both secrets sign.
        overlap_seconds: Option<Integer<0, MAX_OVERLAP>> = OVERLAP,
    }
}

/// Rotate the signing secret
///
/// During the overlap the old secret also signs: `webhook-signature` has two entries, the new one first. A second
/// rotation during an overlap drops the oldest secret. The response contains the new `secret`, which is shown only
/// once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/secret/rotate",
    tag = "webhooks",
    operation_id = "rotateSecret",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<RotationBody>,
    responses((status = 200, description = "The secret was rotated.", body = RotatedView, headers(("ETag")))),
    extensions(("x-problems" = json!(["version_mismatch"])))
)]
pub(crate) async fn rotate(
    State(services): State<Services>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<WebhookId>,
    headers: HeaderMap,
    body: Optional,
) -> Result<Response, Failure> {
    if caller.access.projects.is_some() {
        // A caller that does not see the webhook learns of no other fault.
        services.webhooks.get(&caller.access, id).await?;
    }
    let asked = body.read::<RotationBody>()?.and_then(|rotation| rotation.overlap_seconds);
    let overlap = Duration::from_secs(asked.unwrap_or(OVERLAP).into());
    let versions = IfMatch::of(&headers).into_versions();
    // Queried first: after the rotation, no failure may keep the response from showing the secret.
    let circuits = circuits(&services, &[id]).await?;
    let rotated = services.webhooks.rotate_secret(&caller.access, id, overlap, versions, ids).await?;
    let shown = circuits.show(&rotated.webhook);
    let tag = [(ETAG, shown.etag())];
    Ok((tag, rdev_http::json(&RotatedView::new(shown, &rotated.secret))).into_response())
}
