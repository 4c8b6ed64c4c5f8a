//! `GET /metrics`: the metrics of this process, for Prometheus.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use utoipa::OpenApi;

use crate::options::MetricsSource;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Described;

/// Get metrics
///
/// In the Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    operation_id = "getMetrics",
    responses((
        status = 200,
        description = "The metrics.",
        body = String,
        content_type = "text/plain",
        example = json!("rdev_webhooks_events_published_total 2\n")
    ))
)]
pub(crate) fn show(source: &MetricsSource) -> Response {
    let mut response = source().into_response();
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
