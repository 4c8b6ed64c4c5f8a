//! The producer's trace.

use http::HeaderMap;
use rdev_webhooks_domain::TraceParent;

/// The trace that a request belongs to; one that cannot be continued is none, as the specification asks.
pub(super) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok()?.parse().ok(),
        _ => None,
    }
}
