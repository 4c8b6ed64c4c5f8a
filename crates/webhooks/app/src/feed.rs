//! The stream of delivery changes, and the feed of events.
//!
//! One task in each process reads changes while a stream is open, and sends them to all streams at once.
//! The hot path writes nothing for it: the task reads what is recorded anyway. Only a return to the queue,
//! by a redelivery or a replay, is recorded for the stream alone. A stream that resumes reads what it
//! missed by itself, a page at a time, and then joins the others.
//!
//! # Why nothing is missed
//!
//! Every batch of changes carries a moment, its cursor: all changes before it have been reported. The store
//! determines that moment ([`Changes::complete_until`](rdev_webhooks_domain::feed::Changes)), since what is
//! recorded becomes visible late. The next poll begins at that moment again, and leaves out what was
//! reported already; a stream that resumes begins at the last cursor that its client has seen. A change
//! that becomes visible late is reported twice at worst.

mod events;
mod poller;
mod subscription;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_app::{NoPermit, StreamPermit, StreamPermits};
use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::ports::{DeliveryFeed, EventFeed, StoreError};
use rdev_webhooks_domain::{Access, ApiKeyId, Delivery, DeliveryId, Timestamp, sees_delivery};
use tokio::sync::{Notify, Semaphore, broadcast};

pub use events::EventSubscription;
use events::LastEnd;
pub use poller::FeedTask;
pub use subscription::Subscription;

/// The maximum number of open streams, in all and with one API key.
const MAX_STREAMS: usize = 100;
const MAX_STREAMS_PER_KEY: usize = 20;
/// How far a cursor may be ahead of all that was reported. One further ahead dates from before the store's
/// time was set back: its stream resumes at the moment of the change.
const MAX_AHEAD: Duration = Duration::from_secs(60);
/// The number of streams that may read what they missed at the same time.
const MAX_CATCHING_UP: usize = 2;
/// The number of batches that a stream may be behind the others; then it ends, and must resume.
const MAX_BEHIND: usize = 128;
/// The number of deliveries in a batch.
const BATCH: u32 = 250;

/// How much later than its id says an accepted delivery may become visible and still be reported as
/// accepted; the second is for a stream that resumes.
const ACCEPTED_LATE: Duration = Duration::from_secs(5);
const ACCEPTED_LATE_ON_RESUME: Duration = Duration::from_secs(15);

/// A batch of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBatch {
    /// The changed deliveries in the order of their changes, each as it was when it was read.
    pub changes: Vec<Watched>,
    /// All changes before this moment have been reported once this batch has been.
    pub cursor: Timestamp,
}

/// The reason why a stream cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The maximum number of streams is open.
    #[error("too many streams are open")]
    TooMany,
    /// The maximum number of streams with one API key is open.
    #[error("too many streams are open with this API key")]
    TooManyOfKey,
    /// The database is unavailable.
    #[error("the database cannot be read")]
    Unavailable,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopped,
}

impl From<NoPermit> for WatchError {
    fn from(none: NoPermit) -> Self {
        match none {
            NoPermit::TooMany => Self::TooMany,
            NoPermit::TooManyOfKey => Self::TooManyOfKey,
        }
    }
}

/// Opens streams of delivery changes and of events. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    store: Arc<dyn DeliveryFeed>,
    events: Arc<dyn EventFeed>,
    last_end: LastEnd,
    permits: Arc<StreamPermits>,
    catching_up: Semaphore,
    /// `None` once the task has ended.
    batches: Mutex<Option<broadcast::Sender<Arc<FeedBatch>>>>,
    /// Notified when a stream opens.
    begun: Notify,
}

impl Feed {
    /// Creates a feed, and the task that must run for it.
    #[must_use]
    pub fn new(store: Arc<dyn DeliveryFeed>, events: Arc<dyn EventFeed>) -> (Self, FeedTask) {
        let (sender, _) = broadcast::channel(MAX_BEHIND);
        let shared = Arc::new(Shared {
            store,
            events,
            last_end: LastEnd::default(),
            permits: Arc::new(StreamPermits::new(MAX_STREAMS, MAX_STREAMS_PER_KEY)),
            catching_up: Semaphore::new(MAX_CATCHING_UP),
            batches: Mutex::new(Some(sender.clone())),
            begun: Notify::new(),
        });
        (Self(Arc::clone(&shared)), FeedTask::new(shared, sender))
    }

    /// Opens a stream with an API key: from now on, or from the cursor `since`. Once this has returned,
    /// nothing is missed. If the maximum number of streams is open, one stream of the key with the most of
    /// them ends, so that each key gets its share.
    pub async fn watch(
        &self,
        key: Option<ApiKeyId>,
        since: Option<Timestamp>,
    ) -> Result<Subscription, WatchError> {
        let permit = StreamPermit::take(&self.0.permits, key)?;
        let mut batches = self.0.subscribe().ok_or(WatchError::Stopped)?;
        self.0.begun.notify_one();
        let first = batches.recv().await.map_err(|_| WatchError::Stopped)?;
        let since = match since {
            Some(since) if since > first.cursor + MAX_AHEAD => Some(self.0.set_back_at().await?),
            since => since,
        };
        Ok(Subscription::new(Arc::clone(&self.0), permit, batches, first, since))
    }
}

impl Feed {
    /// Returns these deliveries as they are now, in the given order, without those that the caller does not see.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn present(&self, access: &Access, ids: &[DeliveryId]) -> Result<Vec<Delivery>, StoreError> {
        let found = self.0.present(ids).await?.into_iter();
        let is_visible = |watched: &Watched| {
            let project = watched.delivery.project.as_ref();
            sees_delivery(access, project, watched.webhook_projects.as_ref())
        };
        Ok(found.filter(is_visible).map(|watched| watched.delivery).collect())
    }
}

impl Shared {
    fn subscribe(&self) -> Option<broadcast::Receiver<Arc<FeedBatch>>> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.as_ref().map(broadcast::Sender::subscribe)
    }

    /// Returns the moment since which changes may have been recorded behind a cursor that is ahead of now.
    async fn set_back_at(&self) -> Result<Timestamp, WatchError> {
        let set_back_at = self.store.set_back_at().await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot read delivery changes");
            WatchError::Unavailable
        })?;
        Ok(set_back_at.unwrap_or(Timestamp::EPOCH))
    }

    fn is_closed(&self) -> bool {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn close(&self) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Returns the current state of deliveries, in the given order.
    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: HashMap<DeliveryId, Watched> =
            self.store.present(ids).await?.into_iter().map(|one| (one.delivery.id, one)).collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}
