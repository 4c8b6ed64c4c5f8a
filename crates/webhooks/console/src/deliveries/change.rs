//! Redelivering and cancelling a delivery.

use axum::extract::State;
use axum::response::Response;
use rdev_access::Ids;
use rdev_http::{Caller, OperationIds, PathId, Problem};
use rdev_pages::{CONFLICT, Form, Notice, View};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::DeliveryId;
use rdev_webhooks_domain::ports::{Cancellation, Redelivery};

use super::absent;
use crate::Shared;

/// Redelivers the delivery of a page.
pub(crate) async fn redeliver(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<DeliveryId>,
) -> Result<Response, Problem> {
    send_again(&services, &caller, id, ids).await?;
    let notice = Notice::new("The delivery is sent again now, with the same webhook-id.");
    Ok(view.redirect_with(&format!("/deliveries/{id}"), &notice))
}

/// Redelivers a row of a list, and leads back to that row.
pub(crate) async fn redeliver_row(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let id = form.text("delivery").parse::<DeliveryId>().map_err(|_| absent())?;
    send_again(&services, &caller, id, ids).await?;
    let notice = Notice::new("The delivery is sent again now, with the same webhook-id.");
    Ok(view.redirect_back(&format!("{}#{id}", form.text("back")), &notice))
}

async fn send_again(services: &Services, caller: &Caller, id: DeliveryId, ids: Ids) -> Result<(), Problem> {
    let detail = match services.deliveries.redeliver(&caller.access, id, ids).await? {
        Some(Redelivery::Queued(_)) => return Ok(()),
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
    OperationIds(ids): OperationIds,
    PathId(id): PathId<DeliveryId>,
) -> Result<Response, Problem> {
    let detail = match services.deliveries.cancel(&caller.access, id, ids).await? {
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
