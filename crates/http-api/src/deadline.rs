//! When a request must be done.

use std::future::Future;

use http::Extensions;
use tokio::time::Instant;

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

    pub(crate) async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, Passed> {
        tokio::time::timeout_at(self.0, work).await.map_err(|_| Passed)
    }
}
