//! The caller as a producer of events.

use std::sync::Arc;

use rdev_http::Caller;
use rdev_webhooks_app::Producer;

/// Returns a caller as a producer of events.
pub(super) fn producer(caller: &Caller) -> Producer {
    let is_limited = caller.access.projects.is_some();
    Producer { key: caller.key, access: is_limited.then(|| Arc::clone(&caller.access)) }
}
