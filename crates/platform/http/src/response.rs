//! JSON responses.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::Problem;

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
