//! Watching deliveries change.
//!
//! One task in a process looks for changes while anybody watches, and hands them to all watchers at once.
//! Nothing is written for that where many deliveries pass: what has changed is read from what is recorded anyway,
//! and of that alone that something was put back into the queue is recorded for those who watch. A watcher
//! that was away reads what it missed by itself, a page at a time, and then joins the others.
//!
//! # Why nothing is missed
//!
//! Every batch of changes carries a moment, its cursor: all that changed before it has been told by then. The
//! store says which moment that is ([`Changes::complete_until`](rdev_webhooks_domain::feed::Changes)), since
//! what is recorded becomes visible late. The next look begins at that moment again, and leaves out what was
//! told already; and a watcher that comes back begins at the last one that it has seen. What becomes visible
//! after it was told is at worst told twice.

mod poller;
mod seats;
mod subscription;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::ports::{DeliveryFeed, StoreError};
use rdev_webhooks_domain::{ApiKeyId, DeliveryId, Timestamp};
use tokio::sync::{Notify, Semaphore, broadcast};

pub use poller::FeedTask;
use seats::{Seat, Seats};
pub use subscription::Subscription;

/// How much later than all that was told a cursor may be. One that is later is of before the store's time was set
/// back: whoever has it continues at that moment.
const MAX_AHEAD: Duration = Duration::from_secs(60);
/// How many of them may read what they missed at the same time.
const MAX_CATCHING_UP: usize = 2;
/// How many batches a watcher may be behind the others before it has to begin again where it was.
const MAX_BEHIND: usize = 128;
/// How many deliveries a batch holds.
const BATCH: u32 = 250;

/// How much later than its id says an accepted delivery may become visible and still be told as such; for
/// one who comes back, it may be more.
const ACCEPTED_LATE: Duration = Duration::from_secs(5);
const ACCEPTED_LATE_ON_RESUME: Duration = Duration::from_secs(15);

/// Changes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBatch {
    /// The deliveries that have changed, each as it was when this was read, those first that changed first.
    pub changes: Vec<Watched>,
    /// All that changed before this has been told once this batch is.
    pub cursor: Timestamp,
}

/// Why one cannot watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There are as many watchers as there may be.
    #[error("too many streams are open")]
    TooMany,
    /// There are as many watchers with the same API key as there may be.
    #[error("too many streams are open with this API key")]
    TooManyOfKey,
    /// The database is away.
    #[error("the database cannot be read")]
    Unavailable,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopped,
}

/// Lets deliveries be watched. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    store: Arc<dyn DeliveryFeed>,
    seats: Arc<Seats>,
    catching_up: Semaphore,
    /// Closed once the task has ended.
    batches: Mutex<Option<broadcast::Sender<Arc<FeedBatch>>>>,
    /// Somebody has begun to watch.
    begun: Notify,
}

impl Feed {
    /// A feed over a port, and the task that must be run for it.
    #[must_use]
    pub fn new(store: Arc<dyn DeliveryFeed>) -> (Self, FeedTask) {
        let (sender, _) = broadcast::channel(MAX_BEHIND);
        let shared = Arc::new(Shared {
            store,
            seats: Arc::default(),
            catching_up: Semaphore::new(MAX_CATCHING_UP),
            batches: Mutex::new(Some(sender.clone())),
            begun: Notify::new(),
        });
        (Self(Arc::clone(&shared)), FeedTask::new(shared, sender))
    }

    /// Begins to watch, for who came with that API key: from now on, or all since a cursor. Once this has
    /// answered, nothing is missed. If there are as many watchers as there may be, one of the key with the most of
    /// them ends, so that each key gets its share.
    pub async fn watch(
        &self,
        key: Option<ApiKeyId>,
        since: Option<Timestamp>,
    ) -> Result<Subscription, WatchError> {
        let seat = Seat::take(&self.0.seats, key)?;
        let mut batches = self.0.subscribe().ok_or(WatchError::Stopped)?;
        self.0.begun.notify_one();
        let first = batches.recv().await.map_err(|_| WatchError::Stopped)?;
        let since = match since {
            Some(since) if since > first.cursor + MAX_AHEAD => Some(self.0.set_back_at().await?),
            since => since,
        };
        Ok(Subscription::new(Arc::clone(&self.0), seat, batches, first, since))
    }
}

impl Shared {
    fn subscribe(&self) -> Option<broadcast::Receiver<Arc<FeedBatch>>> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.as_ref().map(broadcast::Sender::subscribe)
    }

    /// Since when something may have been recorded after a cursor that is later than now.
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

    /// Deliveries as they are now, in the order given.
    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: HashMap<DeliveryId, Watched> =
            self.store.present(ids).await?.into_iter().map(|one| (one.delivery.id, one)).collect();
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}
