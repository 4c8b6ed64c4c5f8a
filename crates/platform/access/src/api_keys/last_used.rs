//! Records the last uses of keys, apart from the requests that use them.

use std::sync::Arc;

use rdev_app::Outages;
use rdev_core::{ApiKeyId, Timestamp};
use tokio::sync::mpsc;

use crate::ports::ApiKeyRepository;

/// The task that records the last uses of keys. The caller runs and joins it.
pub struct LastUsedRecorder {
    uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
    repository: Arc<dyn ApiKeyRepository>,
    outages: Outages,
}

impl LastUsedRecorder {
    pub(super) fn new(
        uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
        repository: Arc<dyn ApiKeyRepository>,
    ) -> Self {
        Self { uses, repository, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Records uses until the last [`ApiKeys`](crate::ApiKeys) is dropped. After a failure, the key's next
    /// use is recorded.
    pub async fn run(mut self) {
        while let Some((id, used_at)) = self.uses.recv().await {
            match self.repository.touch(id, used_at).await {
                Ok(()) => self.outages.worked("record the use of an API key"),
                Err(error) => {
                    self.outages.store_failed("record the use of an API key", &error);
                }
            }
        }
    }
}
