//! Noting when keys are used, apart from the requests that use them.

use std::sync::Arc;

use rdev_webhooks_domain::ports::ApiKeyRepository;
use rdev_webhooks_domain::{ApiKeyId, Timestamp};
use tokio::sync::mpsc;

use crate::Outages;

/// The task that notes when keys are used, to be run and joined by whoever made it.
pub struct ApiKeyUses {
    uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
    repository: Arc<dyn ApiKeyRepository>,
    outages: Outages,
}

impl ApiKeyUses {
    pub(super) fn new(
        uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
        repository: Arc<dyn ApiKeyRepository>,
    ) -> Self {
        Self { uses, repository, outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Notes uses until the last [`ApiKeys`](crate::ApiKeys) is gone. One that could not be noted is noted
    /// at the key's next use.
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
