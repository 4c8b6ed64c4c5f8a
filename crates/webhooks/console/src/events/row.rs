//! Events as rows of a table.

use askama::Template;
use rdev_pages::{Moment, View};
use rdev_webhooks_domain::{DeliveryCounts, EventId, EventRecord};

/// An event as a row.
#[derive(Template)]
#[template(path = "events/row.html")]
pub(super) struct Row {
    path: String,
    event_type: String,
    project: Option<String>,
    id: EventId,
    key: Option<String>,
    accepted: Moment,
    outcomes: Vec<String>,
    /// Whether a delivery has not ended yet.
    is_open: bool,
}

impl Row {
    pub(super) fn new(view: &View, record: EventRecord) -> Self {
        let (event, counts) = (record.event, &record.deliveries);
        Self {
            path: view.url(&format!("/events/{}", event.id)),
            event_type: event.event_type.to_string(),
            project: event.project.as_ref().map(ToString::to_string),
            id: event.id,
            key: event.key.as_ref().map(ToString::to_string),
            accepted: view.moment(event.id.time()),
            outcomes: outcomes(counts),
            is_open: counts.pending + counts.in_flight + counts.retrying > 0,
        }
    }
}

/// Returns what became of the deliveries of an event, in words.
fn outcomes(counts: &DeliveryCounts) -> Vec<String> {
    let named = [
        (counts.failed, "failed"),
        (counts.retrying, "retrying"),
        (counts.pending, "pending"),
        (counts.in_flight, "in flight"),
        (counts.succeeded, "succeeded"),
        (counts.cancelled, "cancelled"),
    ];
    let present: Vec<_> = named
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if present.is_empty() { vec!["reached no webhook".to_owned()] } else { present }
}
