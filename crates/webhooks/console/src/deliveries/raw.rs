//! Bodies as files, which a browser stores and never shows.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use rdev_http::{Caller, Problem};
use rdev_webhooks_domain::{DeliveryId, PageRequest};

use super::{PathDelivery, absent, find};
use crate::Shared;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The body of the request of a delivery.
pub(crate) async fn request_body(PathDelivery(record): PathDelivery) -> Response {
    file(&request_file(record.delivery.id), record.request_body())
}

/// The body of the response to an attempt, as far as it is kept.
pub(crate) async fn response_body(
    State(services): State<Shared>,
    caller: Caller,
    Path((id, number)): Path<(String, u32)>,
) -> Result<Response, Problem> {
    let id: DeliveryId = id.parse().map_err(|_| absent())?;
    find(&services, &caller.access, id).await?;
    let page = PageRequest { limit: 1, before: Some(number.saturating_add(1)) };
    let found = services.history.attempts(id, page).await?;
    let attempt = found.items.into_iter().find(|attempt| attempt.number == number);
    let response = attempt.and_then(|attempt| attempt.outcome.response);
    let response = response.ok_or_else(|| Problem::not_found("The attempt has no response."))?;
    Ok(file(&format!("{id}-{number}-response.bin"), response.body))
}

/// Returns the name of the file with the body of the request of a delivery.
pub(super) fn request_file(id: DeliveryId) -> String {
    format!("{id}.json")
}

fn file(name: &str, bytes: Bytes) -> Response {
    // An id and a number are valid in a header.
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    ([(CONTENT_TYPE, OCTETS), (CONTENT_DISPOSITION, disposition)], bytes).into_response()
}
