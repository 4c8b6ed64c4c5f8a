//! `POST /events`: takes an event. 202 with `{"id","deliveries"}` once it is on disk with all its
//! deliveries; a repeat of the producer's own `id` is answered as the first was.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::TraceParent;
use serde::Serialize;

use super::draft;
use crate::body::Document;
use crate::problem::Problem;
use crate::views;

#[derive(Serialize)]
struct Accepted {
    id: String,
    deliveries: u32,
}

pub(crate) async fn publish(
    State(services): State<Services>,
    headers: HeaderMap,
    document: Document,
) -> Result<Response, Problem> {
    let draft = draft::read(&document, &services.catalogue, traceparent(&headers))?;
    drop(document);
    let published = services.publisher.publish(draft).await?;
    let accepted = Accepted { id: published.id.to_string(), deliveries: published.deliveries };
    Ok((StatusCode::ACCEPTED, views::json(&accepted)).into_response())
}

/// The producer's trace; one that cannot be continued is none, as the specification asks.
fn traceparent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok()?.parse().ok(),
        _ => None,
    }
}
