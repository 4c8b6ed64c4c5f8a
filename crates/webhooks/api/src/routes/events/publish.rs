//! `POST /events`: publishes an event. 202 with `{"id","deliveries"}` once it is on disk with all its
//! deliveries. A repeat of the producer's own `id` gets the response of the first.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::accepted::Accepted;
use super::draft::{self, NewEventBody};
use super::producer::producer;
use super::trace;
use crate::failure::Failure;
use crate::shared::Shared;
use rdev_http::Caller;
use rdev_http::Faults;
use rdev_http::OperationIds;
use rdev_http::body::Document;
use rdev_http::kind::Kind;

/// Publish an event
///
/// The event and all its deliveries are stored durably before the response. Within a project, a repeat of the
/// producer's own `id` gets the same response and adds nothing.
#[utoipa::path(
    post,
    path = "/events",
    tag = "events",
    operation_id = "publishEvent",
    security(("api_key" = ["events:write"])),
    params(("traceparent" = Option<String>, Header)),
    request_body = NewEventBody,
    responses((status = 202, description = "The event was accepted.", body = Accepted))
)]
pub(crate) async fn publish(
    State(services): State<Shared>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Failure> {
    let mut faults = Faults::default();
    let traceparent = trace::parent(&headers);
    let event = NewEventBody::read(&document.root(), &mut faults);
    let draft = event.and_then(|event| {
        event.into_draft("", &services.event_types, &caller.access, traceparent, &mut faults)
    });
    drop(document);
    let draft = match draft {
        Some(draft) if faults.is_empty() => draft,
        Some(draft) => {
            let drafts = (vec![String::new()], vec![draft]);
            return Err(draft::validate(&services.event_types, caller.key, drafts, faults).await.into());
        }
        None => return Err(faults.into()),
    };
    let published = services.publisher.publish_as(&producer(&caller), draft, ids).await?;
    let accepted = Accepted::of(&services, &caller.access, &[published]).await;
    Ok((StatusCode::ACCEPTED, rdev_http::json(&accepted[0])).into_response())
}
