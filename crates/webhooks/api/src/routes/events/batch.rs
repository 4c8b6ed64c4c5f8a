//! `POST /events/batch`: publishes up to a thousand events, all or none, in one transaction. 202 with
//! `{"events":[{"id","deliveries"},…]}`, in the order of the events, once all of them are on disk.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::{MAX_EVENTS, Services};
use serde::Serialize;
use utoipa::ToSchema;

use super::accepted::Accepted;
use super::draft::{self, NewEventBody};
use super::producer::producer;
use super::trace;
use rdev_http::OperationIds;
use rdev_http::body::Batch;
use rdev_http::kind::{Kind, List};
use rdev_http::members::pointer;
use rdev_http::{Caller, Faults, Problem};

rdev_http::members! {
    /// Events to publish together.
    struct Events as NewEvents {
        events: List<NewEventBody, 1, MAX_EVENTS>,
    }
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
        let events = Events::read(&document.root(), &mut faults).and_then(|body| body.events);
        let drafts = events.unwrap_or_default().into_iter().filter_map(|(index, event)| {
            let at = pointer("/events", &index.to_string());
            let draft = event.into_draft(&at, &event_types, &access, traceparent, &mut faults)?;
            Some((at, draft))
        });
        (drafts.unzip(), faults)
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
