//! `GET /metrics`: what this process counts and times, for Prometheus.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};

use crate::options::MetricsSource;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(crate) fn show(source: &MetricsSource) -> Response {
    let mut response = source().into_response();
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}
