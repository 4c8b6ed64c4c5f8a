//! `GET /events/{id}`: an event with its first 100 deliveries, or the reason why it has none.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{
    Access, DeliveryFilter, Event, EventId, PageRequest, Webhook, WebhookFilter, WebhookState,
};

use crate::failure::Failure;
use crate::routes::deliveries::waits;
use crate::schema_types as types;
use crate::views::{EventDetail, ListedDelivery, Today};
use rdev_http::{Caller, PathId, Problem};

/// Maximum number of deliveries shown; `GET /deliveries?event=` has the others.
const MAX_DELIVERIES: u32 = 100;

/// Maximum number of webhooks that are examined to explain why an event has no deliveries.
const MAX_WEBHOOKS: u32 = 100;

/// Get an event
///
/// Includes the first 100 deliveries, or why there are none.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    operation_id = "getEvent",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::EventId, Path)),
    responses((status = 200, description = "The event.", body = EventDetail))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<EventId>,
    caller: Caller,
) -> Result<Response, Failure> {
    let found = services.events.get(&caller.access, id).await?;
    let record = found.ok_or_else(|| Problem::not_found("The event was not found."))?;
    let filter = DeliveryFilter { event: Some(id), ..DeliveryFilter::default() };
    let first = PageRequest { limit: MAX_DELIVERIES, before: None };
    let deliveries = services.history.list(&caller.access, &filter, first).await?;
    let waits = waits::load(&services, &caller.access, &deliveries.items).await?;
    let today = match record.deliveries.total() {
        0 => today(&services, &record.event, &caller.access).await?,
        _ => Today::Unknown,
    };
    let shown = deliveries.items.iter().map(|delivery| ListedDelivery::new(delivery, &waits)).collect();
    Ok(rdev_http::json(&EventDetail::new(&record, shown, deliveries.has_more, today)))
}

/// Returns the state of the visible webhooks that would receive the event now, as far as one page of them
/// shows.
async fn today(services: &Services, event: &Event, access: &Access) -> Result<Today, Failure> {
    let filter = WebhookFilter {
        event_type: Some(event.event_type.clone()),
        project: event.project.clone(),
        ..WebhookFilter::default()
    };
    let page =
        services.webhooks.list(access, &filter, PageRequest { limit: MAX_WEBHOOKS, before: None }).await?;
    // Without a project the filter also admits webhooks that receive only the events of some projects.
    let takes = |webhook: &&Webhook| event.project.is_some() || webhook.settings.projects.is_empty();
    let mut would = page.items.iter().filter(takes).map(|webhook| webhook.state).peekable();
    let is_any = would.peek().is_some();
    Ok(match would.any(|state| state != WebhookState::Enabled) {
        true => Today::Disabled,
        false if is_any => Today::Enabled,
        false => Today::Unknown,
    })
}
