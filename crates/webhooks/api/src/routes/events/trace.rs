//! The trace of a producer.

use http::HeaderMap;
use rdev_webhooks_domain::TraceParent;

/// Returns the trace that a request belongs to; `None` if it cannot be continued, as the specification
/// requires.
pub(super) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => value.to_str().ok()?.parse().ok(),
        _ => None,
    }
}
