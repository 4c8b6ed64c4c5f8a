//! Forms that make something: one that is sent twice makes one thing.
//!
//! The address of such a form has a token of its page. A repetition of the same form from the same page is the same
//! request, and gets the same answer; a form with another content is another request.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use rdev_http::{Problem, ProblemCode};
use sha2::{Digest, Sha256};

use crate::form::{Form, MAX_BYTES, too_large};
use crate::token::hex;
use crate::view::{ONCE, View};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How often, and how many times, a repetition asks for the answer to the first request.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
const MAX_RETRIES: u32 = 50;

/// Executes a form that has a token once.
pub(crate) async fn execute_once(view: View, request: Request, next: Next) -> Response {
    let token = Form::of_query(request.uri()).text(ONCE).to_owned();
    if *request.method() != Method::POST || token.is_empty() || view.session().is_none() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(form) = to_bytes(body, MAX_BYTES).await else {
        return too_large(MAX_BYTES).into_response();
    };
    let digest = Sha256::new().chain_update(token).chain_update([0]).chain_update(&form).finalize();
    let Ok(key) = HeaderValue::try_from(hex(&digest)) else {
        return Problem::internal().into_response();
    };
    parts.headers.insert(IDEMPOTENCY_KEY, key);
    view.site().gate.execute_once(&mut parts);
    for _ in 0..MAX_RETRIES {
        let request = Request::from_parts(parts.clone(), Body::from(form.clone()));
        let response = next.clone().run(request).await;
        let problem = response.extensions().get::<Problem>().map(Problem::code);
        if problem != Some(ProblemCode::IDEMPOTENCY_KEY_IN_USE) {
            return response;
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    let detail =
        "The form was sent twice, and its first request has no answer yet. Look before you repeat it.";
    Problem::new(ProblemCode::UNAVAILABLE, detail).into_response()
}
