//! `GET /deliveries/{id}/attempts?limit=&cursor=`: a delivery's attempts, the last first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryId, PageRequest};

use super::find;
use crate::caller::Caller;
use crate::page::{self, AttemptNumber};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::Query;
use crate::views::AttemptView;

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
