//! `POST /events`: takes an event. 202 with `{"id","deliveries"}` once it is on disk with all its
//! deliveries; a repeat of the producer's own `id` is answered as the first was.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::accepted::Accepted;
use super::{draft, trace};
use crate::body::Document;
use crate::caller::Caller;
use crate::fault::Faults;
use crate::problem::Problem;
use crate::shared::Shared;
use crate::views;

pub(crate) async fn publish(
    State(services): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let traceparent = trace::parent(&headers);
    let draft = draft::read(&document.root(), &services.catalogue, &caller.access, traceparent, &mut faults);
    drop(document);
    let draft = match draft {
        Some(draft) if faults.is_empty() => draft,
        _ => return Err(faults.into()),
    };
    let published = services.publisher.publish(draft).await?;
    let accepted = Accepted::of(&services, &caller.access, &[published]).await?;
    Ok((StatusCode::ACCEPTED, views::json(&accepted[0])).into_response())
}
