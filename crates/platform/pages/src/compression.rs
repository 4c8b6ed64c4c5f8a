//! Smaller responses, for slow connections.

use http::header::SET_COOKIE;
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};

/// Compresses responses that are long enough and no streams of events. A page with a new secret removes the cookie that
/// brought it there, and is not compressed: its length could tell about the secret to one who listens and chooses other
/// text of the page.
pub(crate) fn layer() -> CompressionLayer<impl Predicate> {
    let shows_no_secret =
        |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| !headers.contains_key(SET_COOKIE);
    CompressionLayer::new().gzip(true).compress_when(DefaultPredicate::new().and(shows_no_secret))
}
