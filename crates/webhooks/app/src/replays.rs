//! Starts, counts and cancels replays.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdev_access::Ids;
use rdev_app::Ambient;
use rdev_webhooks_domain::ports::{ReplayBegun, ReplayCancelled, ReplayRepository, StoreError};
use rdev_webhooks_domain::{
    Access, CancelReason, Matched, Page, PageRequest, ProjectName, Replay, ReplayId, ReplaySelection,
    ReplayState, ReplayStatus, Timestamp, WebhookId,
};

/// The parameters of a new replay.
#[derive(Debug, Clone)]
pub struct NewReplay {
    /// The webhook.
    pub webhook: WebhookId,
    /// Only events accepted at or after this moment.
    pub since: Timestamp,
    /// Only events accepted before this moment; `None` for now. Events accepted later are never replayed.
    pub until: Option<Timestamp>,
    /// Only deliveries with this status, or events that the webhook has no delivery of.
    pub status: ReplayStatus,
    /// Only events of these projects; `None` for all.
    pub projects: Option<BTreeSet<ProjectName>>,
}

/// An error of an operation on a replay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The replay does not exist.
    #[error("the replay was not found")]
    NotFound,
    /// The range is empty: it begins at or after its end, which is now at the latest.
    #[error("the range ends before it begins")]
    EmptyRange,
    /// The webhook does not exist.
    #[error("the webhook was not found")]
    WebhookNotFound,
    /// The webhook is disabled, so it receives nothing.
    #[error("the webhook is disabled")]
    WebhookDisabled,
    /// Another replay of the webhook is running.
    #[error("another replay of the webhook is running")]
    AlreadyRunning,
    /// The replay has ended.
    #[error("the replay has ended")]
    Ended,
    /// The database failed.
    #[error("the replay could not be read or stored")]
    Store(#[from] StoreError),
}

/// Starts, reads and cancels replays; [`ReplayRunner`](crate::ReplayRunner) runs them. Cheap to clone.
#[derive(Clone)]
pub struct Replays {
    repository: Arc<dyn ReplayRepository>,
    ambient: Ambient,
}

impl Replays {
    /// Creates the use cases over this port.
    #[must_use]
    pub fn new(repository: Arc<dyn ReplayRepository>, ambient: Ambient) -> Self {
        Self { repository, ambient }
    }

    /// Counts what a replay would redeliver, without starting it.
    pub async fn count(&self, new: NewReplay, ids: Ids) -> Result<(ReplaySelection, Matched), ReplayError> {
        let selection = self.selection(new, ids)?;
        let matched = self.repository.count(&selection).await?;
        Ok((selection, matched))
    }

    /// Starts a replay of a webhook that the caller sees. A repeated request under an idempotency key returns the
    /// replay that it started before.
    pub async fn begin(&self, access: &Access, new: NewReplay, ids: Ids) -> Result<Replay, ReplayError> {
        let id = ids.id(&self.ambient, "replay", 0, ReplayId::from_parts);
        if ids.may_exist()
            && let Some(begun) = self.repository.get(access, id).await?
        {
            return Ok(begun);
        }
        let (selection, matched) = self.count(new, ids).await?;
        let replay = Replay::new(id, selection, matched);
        match self.repository.begin(access, &replay).await? {
            ReplayBegun::Started => {
                let webhook = replay.selection.webhook_id;
                tracing::info!(replay = %replay.id, %webhook, deliveries = matched.deliveries, "replay started");
                Ok(replay)
            }
            ReplayBegun::AlreadyRunning => Err(ReplayError::AlreadyRunning),
            ReplayBegun::WebhookDisabled => Err(ReplayError::WebhookDisabled),
            ReplayBegun::WebhookDeleted => Err(ReplayError::WebhookNotFound),
        }
    }

    /// Returns a replay that the caller sees.
    pub async fn get(&self, access: &Access, id: ReplayId) -> Result<Replay, ReplayError> {
        self.repository.get(access, id).await?.ok_or(ReplayError::NotFound)
    }

    /// Returns a page of the replays of a webhook, or of all webhooks, that the caller sees, newest first.
    pub async fn list(
        &self,
        access: &Access,
        webhook: Option<WebhookId>,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, ReplayError> {
        Ok(self.repository.list(access, webhook, page).await?)
    }

    /// Cancels a running replay: it queues no more deliveries; those already queued go on.
    pub async fn cancel(&self, access: &Access, id: ReplayId, ids: Ids) -> Result<Replay, ReplayError> {
        match self.repository.cancel(access, id).await? {
            None => Err(ReplayError::NotFound),
            // Most likely by the same request, which was interrupted before its response.
            Some(ReplayCancelled::Ended(replay)) if ids.may_exist() && was_asked_for(&replay) => Ok(replay),
            Some(ReplayCancelled::Ended(_)) => Err(ReplayError::Ended),
            Some(ReplayCancelled::Cancelled(replay)) => {
                tracing::info!(replay = %id, webhook = %replay.selection.webhook_id, "replay cancelled");
                Ok(replay)
            }
        }
    }

    fn selection(&self, new: NewReplay, ids: Ids) -> Result<ReplaySelection, ReplayError> {
        let now = ids.now(&self.ambient);
        let until = new.until.map_or(now, |until| until.min(now));
        if new.since >= until {
            return Err(ReplayError::EmptyRange);
        }
        Ok(ReplaySelection {
            webhook_id: new.webhook,
            since: new.since,
            until,
            status: new.status,
            projects: new.projects,
        })
    }
}

/// Returns true if the replay was cancelled on request.
fn was_asked_for(replay: &Replay) -> bool {
    matches!(replay.state, ReplayState::Cancelled { reason: CancelReason::Requested, .. })
}
