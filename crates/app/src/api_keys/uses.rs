//! Noting when keys are used, apart from the requests that use them.

use std::sync::Arc;

use rdev_webhooks_domain::ports::ApiKeyRepository;
use rdev_webhooks_domain::{ApiKeyId, Timestamp};
use tokio::sync::mpsc;

/// The task that notes when keys are used, to be run and joined by whoever made it.
pub struct ApiKeyUses {
    uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
    repository: Arc<dyn ApiKeyRepository>,
}

impl ApiKeyUses {
    pub(super) fn new(
        uses: mpsc::Receiver<(ApiKeyId, Timestamp)>,
        repository: Arc<dyn ApiKeyRepository>,
    ) -> Self {
        Self { uses, repository }
    }

    /// Notes uses until the last [`ApiKeys`](crate::ApiKeys) is gone. One that could not be noted is noted
    /// at the key's next use.
    pub async fn run(mut self) {
        while let Some((id, used_at)) = self.uses.recv().await {
            if let Err(error) = self.repository.touch(id, used_at).await {
                tracing::warn!(
                    api_key = %id, error = &error as &dyn std::error::Error,
                    "the use of an API key could not be noted"
                );
            }
        }
    }
}
