//! Reading the rest of a refused request, so that the client receives the response.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;

/// Maximum bytes that are read of a refused body.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Maximum time for which a refused body is read.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Reads and discards what a refused client is still sending while it gets its response. If a connection is
/// closed while the client is sending, it is reset, and the response may be lost.
pub fn linger(request: Request) {
    let (parts, body) = request.into_parts();
    linger_over(&parts.headers, body);
}

/// Like [`linger`], for the rest of a body.
pub(super) fn linger_over(headers: &HeaderMap, body: Body) {
    // A client that waits for "100 Continue" sends nothing unless the body is read.
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
