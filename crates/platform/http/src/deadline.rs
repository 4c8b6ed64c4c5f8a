//! The deadline of a request.

use std::future::Future;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// The outcome of a write is awaited for this long after the request's deadline: longer than any database
/// operation may take.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// The moment by which a request is answered in any case; the API's outermost layer sets it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

/// The deadline has passed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed;

impl Deadline {
    /// Returns the deadline of the request with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// Returns a deadline that is later by `duration`.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }

    /// Runs `work` until the deadline.
    ///
    /// # Errors
    ///
    /// [`Passed`] if the deadline passes first; `work` is then dropped.
    pub(crate) async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| Passed)
    }
}
