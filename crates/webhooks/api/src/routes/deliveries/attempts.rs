//! `GET /deliveries/{id}/attempts?limit=&cursor=`: a delivery's attempts, last first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryId, PageRequest};

use super::find;
use crate::keys::AttemptNumber;
use crate::schema_types as types;
use crate::views::{AttemptList, AttemptView};
use rdev_http::Caller;
use rdev_http::PathId;
use rdev_http::Problem;
use rdev_http::page::{self, ListQuery, PageParameters};

/// List a delivery's attempts
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/deliveries/{id}/attempts",
    tag = "deliveries",
    operation_id = "listAttempts",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::DeliveryId, Path), PageParameters),
    responses((status = 200, description = "A page of attempts.", body = AttemptList, headers(("Link"))))
)]
pub(crate) async fn attempts(
    State(services): State<Services>,
    PathId(id): PathId<DeliveryId>,
    caller: Caller,
    ListQuery { page, given, .. }: ListQuery<(), AttemptNumber>,
) -> Result<Response, Problem> {
    let delivery = find(&services, &caller.access, id).await?.delivery;
    let page = PageRequest { limit: page.limit, before: page.before.map(|number| number.0) };
    let found = services.history.attempts(id, page).await?;
    Ok(page::answer(
        &found,
        &given,
        |attempt| AttemptView::new(&delivery, attempt),
        |attempt| AttemptNumber(attempt.number),
    ))
}
