//! One open stream.

use std::collections::HashSet;
use std::sync::Arc;

use rdev_app::StreamPermit;
use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, Timestamp};
use tokio::sync::broadcast;

use super::{ACCEPTED_LATE_ON_RESUME, BATCH, FeedBatch, Shared};

/// An open stream; dropping it closes it.
pub struct Subscription {
    shared: Arc<Shared>,
    permit: StreamPermit,
    batches: broadcast::Receiver<Arc<FeedBatch>>,
    stage: Stage,
}

/// The progress of a stream. It reads what it missed only after the first batch that all streams get:
/// changes before the poll of that batch can be read by then, and changes after it come with the batches.
enum Stage {
    /// Reads the unfinished deliveries among those accepted in the meantime.
    Accepted { since: Timestamp, after: DeliveryId, first: Arc<FeedBatch> },
    /// Reads the deliveries that finished or failed in the meantime.
    Changed { after: ChangePoint, first: Arc<FeedBatch> },
    /// Missed nothing before the first batch.
    First(Arc<FeedBatch>),
    /// Receives the batches of all streams.
    Live,
}

impl Subscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        permit: StreamPermit,
        batches: broadcast::Receiver<Arc<FeedBatch>>,
        first: Arc<FeedBatch>,
        since: Option<Timestamp>,
    ) -> Self {
        let stage = match since {
            Some(since) if since < first.cursor => {
                let after = DeliveryId::floor(since - ACCEPTED_LATE_ON_RESUME);
                Stage::Accepted { since, after, first }
            }
            _ => Stage::First(first),
        };
        Self { shared, permit, batches, stage }
    }

    /// Returns the next batch. Returns `None` once the process drains, if the stream is too far behind, or
    /// if it gives way to another key's: the client can resume with the last cursor. Safe to drop and to
    /// call again.
    ///
    /// # Errors
    ///
    /// Fails if the database fails while the stream reads what it missed. It may be called again.
    pub async fn next(&mut self) -> Result<Option<Arc<FeedBatch>>, StoreError> {
        if matches!(self.stage, Stage::Live) {
            return Ok(tokio::select! {
                biased;
                () = self.permit.lost() => None,
                batch = self.batches.recv() => batch.ok(),
            });
        }
        if self.shared.is_closed() || self.permit.is_lost() {
            return Ok(None);
        }
        // The progress changes after the last wait only.
        let (batch, next) = match &self.stage {
            Stage::Accepted { since, after, first } => self.read_accepted(*since, *after, first).await?,
            Stage::Changed { after, first } => self.read_changed(*after, first).await?,
            Stage::First(first) => (Arc::clone(first), Stage::Live),
            Stage::Live => return Ok(None),
        };
        self.stage = next;
        Ok(Some(batch))
    }

    async fn read_accepted(
        &self,
        since: Timestamp,
        after: DeliveryId,
        first: &Arc<FeedBatch>,
    ) -> Result<(Arc<FeedBatch>, Stage), StoreError> {
        // The semaphore is never closed.
        let _turn = self.shared.catching_up.acquire().await;
        let ids = self.shared.store.accepted(after, BATCH).await?;
        let changes = self.shared.present(&ids).await?;
        let first = Arc::clone(first);
        let next = match ids.last().filter(|_| ids.len() == BATCH as usize) {
            Some(last) => Stage::Accepted { since, after: *last, first },
            None => Stage::Changed { after: ChangePoint::before(since), first },
        };
        Ok((Arc::new(FeedBatch { changes, cursor: since }), next))
    }

    async fn read_changed(
        &self,
        after: ChangePoint,
        first: &Arc<FeedBatch>,
    ) -> Result<(Arc<FeedBatch>, Stage), StoreError> {
        let _turn = self.shared.catching_up.acquire().await;
        let read = self.shared.store.changed(after, BATCH).await?;
        let mut changes = self.shared.present(&distinct(&read.points)).await?;
        let Some(last) = read.points.last().filter(|_| read.has_more) else {
            changes.extend(first.changes.iter().cloned());
            return Ok((Arc::new(FeedBatch { changes, cursor: first.cursor }), Stage::Live));
        };
        // Deliveries that were accepted since the first batch are not reported yet.
        let cursor = last.at.min(read.complete_until).min(first.cursor);
        let next = Stage::Changed { after: *last, first: Arc::clone(first) };
        Ok((Arc::new(FeedBatch { changes, cursor }), next))
    }
}

/// Returns the changed deliveries, each once, at the position of its last change.
fn distinct(points: &[ChangePoint]) -> Vec<DeliveryId> {
    let mut seen = HashSet::new();
    let mut ids: Vec<_> =
        points.iter().rev().map(|point| point.delivery).filter(|id| seen.insert(*id)).collect();
    ids.reverse();
    ids
}
