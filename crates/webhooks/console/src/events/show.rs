//! One event: its body, its deliveries, and the webhooks that did not get it, each with the remedy.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, PathId, Problem};
use rdev_pages::{Form, Icon, Moment, View};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{
    DeliveryFilter, Event, EventId, PageRequest, Webhook, WebhookFilter, WebhookId, WebhookState, scopes,
};

use crate::body::Body;
use crate::deliveries::{Row, Rows};
use crate::{Shared, failure};

/// The number of deliveries and of webhooks that the page shows.
const LIMIT: u32 = 100;

#[derive(Template)]
#[template(path = "events/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    event: Event,
    accepted: Moment,
    happened: Moment,
    body: Body,
    rows: Vec<Row>,
    has_more: bool,
    total: u64,
    missing: Vec<Missing>,
    subscribe: Option<String>,
    stream: String,
    may_write: bool,
}

/// A webhook that takes such events now and has no delivery of this one.
struct Missing {
    path: String,
    url: String,
    reason: &'static str,
    is_disabled: bool,
    replay: String,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathId(id): PathId<EventId>,
) -> Result<Response, Problem> {
    let found = services.events.get(&caller.access, id).await?;
    let record =
        found.ok_or_else(|| Problem::not_found("The event does not exist, or its retention has passed."))?;
    let filter = DeliveryFilter { event: Some(id), ..DeliveryFilter::default() };
    let page = PageRequest { limit: LIMIT, before: None };
    let deliveries = services.history.list(&caller.access, &filter, page).await?;
    let rows = Rows::load(&services, &caller.access, &view, &deliveries.items).await?;
    let reached: Vec<_> = deliveries.items.iter().map(|delivery| delivery.webhook_id).collect();
    let missing = match deliveries.has_more {
        true => Vec::new(),
        false => missing(&services, &caller, &view, &record.event, &reached).await?,
    };
    let may_write = view.allows(&scopes::WEBHOOKS_WRITE);
    let new = Form::default().address("/webhooks/new", &[("events", Some(record.event.event_type.as_str()))]);
    let content = ShowPage {
        view: &view,
        accepted: view.moment(id.time()),
        happened: view.moment(record.event.timestamp),
        body: Body::new(&record.event.body),
        rows: deliveries.items.iter().map(|delivery| rows.row(delivery)).collect(),
        has_more: deliveries.has_more,
        total: record.deliveries.total(),
        subscribe: (may_write && missing.is_empty()).then(|| view.url(&new)),
        missing,
        stream: view.url(&format!("/live?event={id}")),
        may_write,
        event: record.event,
    };
    view.page("Event", &content)
}

async fn missing(
    services: &Services,
    caller: &Caller,
    view: &View,
    event: &Event,
    reached: &[WebhookId],
) -> Result<Vec<Missing>, Problem> {
    let filter = WebhookFilter {
        event_type: Some(event.event_type.clone()),
        project: event.project.clone(),
        ..WebhookFilter::default()
    };
    let page = PageRequest { limit: LIMIT, before: None };
    let found = services.webhooks.list(&caller.access, &filter, page).await.map_err(failure::of_webhook)?;
    // Without a project the filter also admits webhooks that receive only the events of some projects.
    let takes = |webhook: &&Webhook| event.project.is_some() || webhook.settings.projects.is_empty();
    let missing = found.items.iter().filter(takes).filter(|webhook| !reached.contains(&webhook.id));
    Ok(missing.map(|webhook| explain(view, event, webhook)).collect())
}

fn explain(view: &View, event: &Event, webhook: &Webhook) -> Missing {
    let accepted = event.id.time();
    let is_disabled = webhook.state != WebhookState::Enabled;
    let reason = match webhook.state {
        WebhookState::Disabled { since, .. } if since <= accepted => {
            "It was disabled when the event was accepted."
        }
        WebhookState::Disabled { .. } => {
            "It did not take the event when it was accepted, and is disabled now."
        }
        WebhookState::Enabled if webhook.created_at > accepted => {
            "It was created after the event was accepted."
        }
        WebhookState::Enabled => "It was disabled, or did not subscribe to the event, when it was accepted.",
    };
    let (since, until) = (accepted.to_string(), (accepted + Duration::from_millis(1)).to_string());
    let path = format!("/webhooks/{}", webhook.id);
    let replay = Form::default().address(
        &format!("{path}/replays/new"),
        &[("status", Some("missing")), ("since", Some(&since)), ("until", Some(&until))],
    );
    Missing {
        path: view.url(&path),
        url: webhook.settings.url.to_string(),
        reason,
        is_disabled,
        replay: view.url(&replay),
    }
}
