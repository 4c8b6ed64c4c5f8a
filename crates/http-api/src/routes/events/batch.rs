//! `POST /events/batch`: takes up to a thousand events, all or none, in one transaction. 202 with
//! `{"events":[{"id","deliveries"},…]}`, in the order of the events, once all of it is on disk.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::{Catalogue, EventDraft, MAX_EVENTS, Services};
use rdev_webhooks_domain::{Access, TraceParent};
use serde::Serialize;

use super::accepted::Accepted;
use super::{draft, trace};
use crate::body::{Batch, Document, LIMIT};
use crate::caller::Caller;
use crate::fault::Faults;
use crate::problem::Problem;
use crate::views;

#[derive(Serialize)]
struct AllAccepted {
    events: Vec<Accepted>,
}

pub(crate) async fn batch(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    batch: Batch,
) -> Result<Response, Problem> {
    let (catalogue, traceparent) = (services.catalogue, trace::parent(&headers));
    let access = Arc::clone(&caller.access);
    let reading =
        batch.read(move |document, faults| drafts(document, &catalogue, &access, traceparent, faults));
    let (drafts, _room) = reading.await?;
    let published = services.publisher.publish_all(drafts).await?;
    let events = Accepted::of(&services, &caller.access, &published).await?;
    Ok((StatusCode::ACCEPTED, views::json(&AllAccepted { events })).into_response())
}

/// Reads the events, or notes every fault of each.
fn drafts(
    document: &Document,
    catalogue: &Catalogue,
    access: &Access,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<Vec<EventDraft>> {
    let mut object = document.root().object(faults)?;
    let events = object.required("events", faults);
    object.finish(faults);
    let events = events?;
    let elements = events.array(faults)?;
    if elements.is_empty() {
        return events.refuse(faults, "must hold at least one event");
    }
    if elements.len() > MAX_EVENTS {
        return events.refuse(faults, format_args!("must hold at most {MAX_EVENTS} events"));
    }
    // One that cannot be read is noted, and those after it are read too.
    let read = elements.iter().filter_map(|element| {
        if element.text().len() > LIMIT {
            return element.refuse(faults, format_args!("must be at most {LIMIT} bytes long"));
        }
        draft::read(element, catalogue, access, traceparent, faults)
    });
    Some(read.collect())
}
