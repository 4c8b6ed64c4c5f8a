//! Subscribing to what one test logs.

use std::sync::LazyLock;

use tracing::dispatcher::{DefaultGuard, set_default};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Subscriber};

/// While there is only one dispatcher, `tracing` asks the thread that first reaches a line or a span whether it is
/// wanted, for all threads; with two it asks all dispatchers.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

/// Subscribes to what this thread logs until the guard is dropped, whatever other tests do at the same time.
#[must_use]
pub fn subscribe_thread(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    LazyLock::force(&SECOND);
    set_default(&Dispatch::new(subscriber))
}
