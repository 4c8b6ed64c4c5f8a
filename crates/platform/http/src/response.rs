//! Responses that several APIs have in common.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::limits::Counted;
use crate::{Problem, tag};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns a JSON response.
pub fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json_text(body),
        Err(error) => Problem::internal().caused_by(error).into_response(),
    }
}

/// Returns a response whose JSON is already text.
pub(crate) fn json_text(text: Vec<u8>) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Returns the response to a request that has created something: `status`, such as 201, with its path as `Location` and
/// its JSON.
pub fn created(status: StatusCode, location: impl AsRef<str>, value: &impl Serialize) -> Response {
    let mut response = (status, json(value)).into_response();
    // A requested path is valid in a header.
    if let Ok(location) = HeaderValue::try_from(location.as_ref()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Returns a response whose text is constant while the process lives, unless the client already has it.
pub fn constant(
    headers: &HeaderMap,
    tag: HeaderValue,
    media_type: HeaderValue,
    text: impl IntoResponse,
) -> Response {
    if tag::is_known(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let mut response = ([(ETAG, tag), (CONTENT_TYPE, media_type)], text).into_response();
    // All responses share one text.
    response.extensions_mut().insert(Counted);
    response
}
