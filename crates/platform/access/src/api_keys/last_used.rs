//! Records the last uses of keys, apart from the requests that use them.

use std::sync::Arc;

use rdev_app::Outages;
use rdev_core::{ApiKeyId, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ports::ApiKeyRepository;

/// The task that records the last uses of keys. The caller runs and joins it.
pub struct LastUsedRecorder {
    uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
    repository: Arc<dyn ApiKeyRepository>,
    outages: Outages,
    stop: CancellationToken,
}

impl LastUsedRecorder {
    pub(super) fn new(
        uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
        repository: Arc<dyn ApiKeyRepository>,
    ) -> Self {
        Self { uses, repository, outages: Outages::default(), stop: CancellationToken::new() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Ends the task after `stop`, once all uses until then are recorded.
    #[must_use]
    pub fn with_stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Records uses until the last [`ApiKeys`](crate::ApiKeys) is dropped. After a failure, the key's next
    /// use is recorded.
    pub async fn run(mut self) {
        loop {
            let next = self.stop.run_until_cancelled(self.uses.recv()).await;
            let next = match next {
                Some(next) => next,
                None => {
                    self.uses.close();
                    self.uses.recv().await
                }
            };
            let Some((id, used_at)) = next else {
                return;
            };
            match self.repository.touch(id, used_at).await {
                Ok(()) => self.outages.worked("record the use of an API key"),
                Err(error) => {
                    self.outages.store_failed("record the use of an API key", &error);
                }
            }
        }
    }
}
