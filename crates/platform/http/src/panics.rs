//! Panics of handlers.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::Problem;

/// Turns a panic into a problem. Neither the response nor the log contains the panic's message, because its
/// content is unchecked.
pub(crate) async fn contain_panics(request: Request, next: Next) -> Response {
    // A handler's own data is dropped with its future; what it shares belongs to the services, which hold no
    // lock across an await.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("handler panicked");
            Problem::internal().into_response()
        }
    }
}
