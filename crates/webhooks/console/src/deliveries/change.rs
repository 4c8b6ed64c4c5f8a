//! Redelivering and cancelling a delivery.

use axum::extract::{Path, State};
use axum::response::Response;
use rdev_access::Ids;
use rdev_http::{Caller, Problem};
use rdev_pages::{Notice, View};
use rdev_webhooks_domain::DeliveryId;
use rdev_webhooks_domain::ports::{Cancellation, Redelivery};

use crate::Shared;
use crate::failure::CONFLICT;

pub(crate) async fn redeliver(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = parse(&id)?;
    let detail = match services.deliveries.redeliver(&caller.access, id, Ids::fresh()).await? {
        Some(Redelivery::Queued(_)) => {
            let notice = Notice::new("The delivery is sent again now, with the same webhook-id.");
            return Ok(view.redirect_with(&format!("/deliveries/{id}"), &notice));
        }
        Some(Redelivery::InFlight) => "The delivery is being sent. Wait for its result.",
        Some(Redelivery::WebhookDisabled) => "The webhook is disabled. Enable it, then redeliver.",
        Some(Redelivery::WebhookDeleted) => "The webhook was deleted, so nothing can be sent to it.",
        None => return Err(absent()),
    };
    Err(Problem::new(CONFLICT, detail))
}

pub(crate) async fn cancel(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = parse(&id)?;
    let detail = match services.deliveries.cancel(&caller.access, id, Ids::fresh()).await? {
        Some(Cancellation::Cancelled(_)) => {
            let notice = Notice::new("The delivery was cancelled. It can be redelivered.");
            return Ok(view.redirect_with(&format!("/deliveries/{id}"), &notice));
        }
        Some(Cancellation::InFlight) => "The delivery is being sent. Wait for its result.",
        Some(Cancellation::Ended) => "The delivery has ended already.",
        None => return Err(absent()),
    };
    Err(Problem::new(CONFLICT, detail))
}

fn parse(id: &str) -> Result<DeliveryId, Problem> {
    id.parse().map_err(|error| Problem::not_found(format!("The id {error}.")))
}

fn absent() -> Problem {
    Problem::not_found("The delivery does not exist, or its retention has passed.")
}
