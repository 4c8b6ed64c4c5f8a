//! Letting a client finish what it is sending though it has been refused already.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;

/// How much more of a refused body is taken.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// For how long.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Reads on, and throws away, what a refused client is still sending while it gets its answer. A
/// connection that is closed under a client that is sending is reset, and the answer may be lost.
pub(crate) fn linger(request: Request) {
    let (parts, body) = request.into_parts();
    linger_over(&parts.headers, body);
}

/// As [`linger`], for what is left of a body.
pub(super) fn linger_over(headers: &HeaderMap, body: Body) {
    // A client that waits for "100 Continue" sends nothing unless somebody reads.
    if !axum::body::HttpBody::is_end_stream(&body) && !headers.contains_key(EXPECT) {
        tokio::spawn(tokio::time::timeout(MAX_TIME, discard(body)));
    }
}

async fn discard(mut body: Body) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, bytes::Bytes::len);
        if taken > MAX_BYTES {
            return;
        }
    }
}
