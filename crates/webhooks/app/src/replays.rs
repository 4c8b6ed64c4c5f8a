//! Asking for ranges of deliveries to be made again.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdev_webhooks_domain::ports::{ReplayBegun, ReplayCancelled, ReplayRepository, StoreError};
use rdev_webhooks_domain::{
    CancelReason, DeliveryOutcome, Matched, Page, PageRequest, ProjectName, Replay, ReplayFilter, ReplayId,
    ReplaySelection, ReplayState, Timestamp, WebhookId,
};

use crate::Ambient;
use crate::idempotency::is_repeated;

/// A replay as somebody asks for it.
#[derive(Debug, Clone)]
pub struct NewReplay {
    /// Of this webhook.
    pub webhook: WebhookId,
    /// Of events accepted at or after.
    pub since: Timestamp,
    /// Of events accepted before; none for now. What is accepted later is never replayed.
    pub until: Option<Timestamp>,
    /// Deliveries that ended so.
    pub outcome: DeliveryOutcome,
    /// Of events of these projects only; none for all.
    pub projects: Option<BTreeSet<ProjectName>>,
}

/// Why nothing was replayed, or cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no such replay.
    #[error("the replay was not found")]
    NotFound,
    /// The range begins at or after its end, which is now at the latest.
    #[error("the range ends before it begins")]
    EmptyRange,
    /// The webhook is gone.
    #[error("the webhook was not found")]
    WebhookNotFound,
    /// A disabled webhook is sent nothing.
    #[error("the webhook is disabled")]
    WebhookDisabled,
    /// One is running already.
    #[error("another replay of the webhook is running")]
    AlreadyRunning,
    /// It has ended.
    #[error("the replay has ended")]
    Ended,
    /// The database failed.
    #[error("the replay could not be read or stored")]
    Store(#[from] StoreError),
}

/// Begins, shows and cancels replays; [`Replaying`](crate::Replaying) carries them out. Cheap to clone.
#[derive(Clone)]
pub struct Replays {
    repository: Arc<dyn ReplayRepository>,
    ambient: Ambient,
}

impl Replays {
    /// Replays over this port.
    #[must_use]
    pub fn new(repository: Arc<dyn ReplayRepository>, ambient: Ambient) -> Self {
        Self { repository, ambient }
    }

    /// Counts what would be replayed, and changes nothing.
    pub async fn count(&self, new: NewReplay) -> Result<(ReplaySelection, Matched), ReplayError> {
        let selection = self.selection(new)?;
        let matched = self.repository.count(&selection).await?;
        Ok((selection, matched))
    }

    /// Begins a replay; with `visible_to`, only of a webhook that is visible to who is limited to these projects.
    /// Under an idempotency key that was at this before, answers the one that was begun then.
    pub async fn begin(
        &self,
        new: NewReplay,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<Replay, ReplayError> {
        let id = self.ambient.replay_id();
        if is_repeated()
            && let Some(begun) = self.repository.get(id).await?
        {
            return Ok(begun);
        }
        let (selection, matched) = self.count(new).await?;
        let replay = Replay::new(id, selection, matched);
        match self.repository.begin(&replay, visible_to).await? {
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

    /// One replay.
    pub async fn get(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        self.repository.get(id).await?.ok_or(ReplayError::NotFound)
    }

    /// A page of replays, newest first.
    pub async fn list(
        &self,
        filter: &ReplayFilter,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, ReplayError> {
        Ok(self.repository.list(filter, page).await?)
    }

    /// Cancels a replay that is running: it queues no more, and what it has queued goes its way.
    pub async fn cancel(&self, id: ReplayId) -> Result<Replay, ReplayError> {
        match self.repository.cancel(id).await? {
            None => Err(ReplayError::NotFound),
            // Most likely by the same request, which was cut off before it was answered.
            Some(ReplayCancelled::Ended(replay)) if is_repeated() && was_asked_for(&replay) => Ok(replay),
            Some(ReplayCancelled::Ended(_)) => Err(ReplayError::Ended),
            Some(ReplayCancelled::Cancelled(replay)) => {
                tracing::info!(replay = %id, webhook = %replay.selection.webhook_id, "replay cancelled");
                Ok(replay)
            }
        }
    }

    fn selection(&self, new: NewReplay) -> Result<ReplaySelection, ReplayError> {
        let now = self.ambient.now();
        let until = new.until.map_or(now, |until| until.min(now));
        if new.since >= until {
            return Err(ReplayError::EmptyRange);
        }
        Ok(ReplaySelection {
            webhook_id: new.webhook,
            since: new.since,
            until,
            outcome: new.outcome,
            projects: new.projects,
        })
    }
}

/// Whether somebody has cancelled it.
fn was_asked_for(replay: &Replay) -> bool {
    matches!(replay.state, ReplayState::Cancelled { reason: CancelReason::Requested, .. })
}
