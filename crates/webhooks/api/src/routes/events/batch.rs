//! `POST /events/batch`: publishes up to a thousand events, all or none, in one transaction. 202 with
//! `{"events":[{"id","deliveries"},…]}`, in the order of the events, once all of them are on disk.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::{EventDraft, EventTypeRegistry, MAX_EVENTS, Services};
use rdev_webhooks_domain::{Access, TraceParent};
use serde::Serialize;
use utoipa::ToSchema;

use super::accepted::Accepted;
use super::draft::{self, NewEventBody};
use super::producer::producer;
use super::trace;
use rdev_http::body::{Batch, Document, LIMIT, pointer};
use rdev_http::{Caller, Faults, OperationIds, Problem};

/// Events to publish together.
#[derive(ToSchema)]
#[schema(as = NewEvents)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `drafts` reads")]
struct Events {
    #[schema(min_items = 1, max_items = 1_000)]
    events: Vec<NewEventBody>,
}

/// The accepted events, in the order of the request.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedEvents)]
struct AllAccepted {
    events: Vec<Accepted>,
}

/// Publish a batch of events
///
/// Publishes up to 1,000 events, all or none, in one transaction: one invalid event rejects the batch. Each event may
/// have 256 KiB, as when published alone, and the whole body 16 MiB.
#[utoipa::path(
    post,
    path = "/events/batch",
    tag = "events",
    operation_id = "publishEvents",
    security(("api_key" = ["events:write"])),
    params(("traceparent" = Option<String>, Header)),
    request_body = Events,
    responses((status = 202, description = "The events were accepted.", body = AllAccepted))
)]
pub(crate) async fn batch(
    State(services): State<Services>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    headers: HeaderMap,
    batch: Batch,
) -> Result<Response, Problem> {
    let (event_types, traceparent) = (services.event_types.clone(), trace::parent(&headers));
    let access = Arc::clone(&caller.access);
    let reading = batch.read(move |document| {
        let mut faults = Faults::default();
        let read = read(document, &event_types, &access, traceparent, &mut faults);
        (read.unwrap_or_default(), faults)
    });
    let ((read, faults), _room) = reading.await?;
    if !faults.is_empty() {
        return Err(draft::validate(&services.event_types, caller.key, read, faults).await);
    }
    let (places, drafts) = read;
    let published = services.publisher.publish_all_as(&producer(&caller), drafts, ids).await;
    let published = published.map_err(|error| draft::explain(error, &places))?;
    let events = Accepted::of(&services, &caller.access, &published).await;
    Ok((StatusCode::ACCEPTED, rdev_http::json(&AllAccepted { events })).into_response())
}

/// Reads the events, each with its place in the body, and records the faults of form of each.
fn read(
    document: &Document,
    event_types: &EventTypeRegistry,
    access: &Access,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<(Vec<String>, Vec<EventDraft>)> {
    let mut object = document.root().object(faults)?;
    let events = object.required("events", faults);
    object.finish(faults);
    let events = events?;
    let elements = events.array(MAX_EVENTS, faults)?;
    if elements.is_empty() {
        return events.refuse(faults, "must contain at least one event");
    }
    if elements.len() > MAX_EVENTS {
        return events.refuse(faults, format_args!("must contain at most {MAX_EVENTS} events"));
    }
    // An unreadable event is recorded as a fault, and the events after it are read too.
    let read = elements.iter().enumerate().filter_map(|(index, element)| {
        if element.text().len() > LIMIT {
            return element.refuse(faults, format_args!("must be at most {LIMIT} bytes long"));
        }
        let draft = draft::read(element, event_types, access, traceparent, faults)?;
        Some((pointer("/events", &index.to_string()), draft))
    });
    Some(read.unzip())
}
