//! When a request must be done.

use std::future::Future;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// How much longer than a request may take the outcome of a write is waited for: longer than the database may
/// take over anything.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// The moment by which a request is answered, whatever happens; set by [`crate::observe`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

/// The deadline has passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed;

impl Deadline {
    /// The deadline of the request that these extensions belong to.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// A deadline later by that much.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }

    pub(crate) async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| Passed)
    }
}
