//! `GET /deliveries/{id}/attempts?limit=&cursor=`: a delivery's attempts, last first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryId, PageRequest};

use super::find;
use crate::keys::AttemptNumber;
use crate::schema_types as types;
use crate::views::{AttemptList, AttemptView};
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;
use rdev_http::{Caller, PathId, Problem};

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
    mut query: Query,
) -> Result<Response, Problem> {
    let request = page::request::<AttemptNumber>(&mut query);
    let given = query.finish()?;
    let delivery = find(&services, &caller.access, id).await?.delivery;
    let request = PageRequest { limit: request.limit, before: request.before.map(|number| number.0) };
    let found = services.history.attempts(id, request).await?;
    Ok(page::answer(
        &found,
        &given,
        |attempt| AttemptView::new(&delivery, attempt),
        |attempt| AttemptNumber(attempt.number),
    ))
}
