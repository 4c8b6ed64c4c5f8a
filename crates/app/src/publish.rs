//! Publishing: many callers, one commit.
//!
//! One task gathers whatever callers have brought while earlier batches were being committed, and
//! commits it as the next. A lone caller waits for its own commit only; under load the batches grow by
//! themselves. Two commits may be under way, so that the database works on one while the other waits for
//! the disk, or its callers are on their way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use metrics::Counter;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    EventKey, EventType, NewEvent, ProjectName, Published, Target, Timestamp, TraceParent, render_body,
};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use crate::gather::Gather;
use crate::idempotency::is_repeated;
use crate::measures::Publishing;
use crate::{Ambient, Catalogue, EventFault, Outages};

/// How many calls may wait for a commit; further ones are told [`PublishError::Busy`].
const MAX_WAITING: usize = 4_096;
/// How many events go into one commit, unless a single call brings more.
const MAX_BATCH: usize = 512;
/// How many deliveries a commit should make at the most, by what the one before made of each event: a statement
/// that takes too long is cut off, and nobody would ever get through.
const MAX_DELIVERIES: usize = 16_384;
/// How many commits may be under way at once.
const LANES: usize = 2;
/// How many bytes of bodies go into one commit, unless a single call brings more.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// How many events one call may bring.
pub const MAX_EVENTS: usize = 1_000;

/// An event as a producer brings it.
#[derive(Debug, Clone)]
pub struct EventDraft {
    /// The type; must be in the catalogue, and not one that tells of the system itself.
    pub event_type: EventType,
    /// When it happened; now, if the producer does not say.
    pub timestamp: Option<Timestamp>,
    /// The producer's own key.
    pub key: Option<EventKey>,
    /// The project it belongs to.
    pub project: Option<ProjectName>,
    /// The payload: a JSON object's text, sent on byte for byte. It must match its type's schema, if that has one.
    pub data: String,
    /// The producer's trace.
    pub traceparent: Option<TraceParent>,
}

/// Why an event was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The events are not what the catalogue asks of their types; all faults at once, up to a hundred.
    #[error("{}", of_faults(.0))]
    Invalid(Vec<EventFault>),
    /// A single call brings more than [`MAX_EVENTS`].
    #[error("at most {MAX_EVENTS} events can be published at once, not {0}")]
    TooMany(usize),
    /// Too many calls are waiting for the database. Nothing was stored; worth another try.
    #[error("too many events are waiting to be stored")]
    Busy,
    /// The process is stopping. Nothing was stored.
    #[error("the publisher has stopped")]
    Stopped,
    /// The database failed. After [`StoreError::Unavailable`] the event may be stored all the same; an
    /// event's own key makes another try harmless.
    #[error("the event could not be stored")]
    Store(#[source] Arc<StoreError>),
}

fn of_faults(faults: &[EventFault]) -> String {
    let first = faults.first().map(|first| first.fault.to_string()).unwrap_or_default();
    match faults.len() {
        0 | 1 => first,
        more => format!("{first}, and {} more faults", more - 1),
    }
}

/// Takes events. Cheap to clone; the task ends when the last clone is gone.
#[derive(Clone)]
pub struct Publisher {
    calls: mpsc::Sender<Call>,
    store: Arc<dyn EventRepository>,
    ambient: Ambient,
    catalogue: Catalogue,
    outages: Outages,
    busy: Counter,
}

/// The task behind a [`Publisher`], to be run and joined by whoever made it.
pub struct PublisherTask {
    calls: mpsc::Receiver<Call>,
    store: Arc<dyn EventRepository>,
    measures: Publishing,
    outages: Outages,
}

/// The way back to a caller.
type Answer = oneshot::Sender<Result<Vec<Published>, PublishError>>;

struct Call {
    events: Vec<NewEvent>,
    answer: Answer,
}

/// What goes into one commit.
#[derive(Default)]
struct Batch {
    events: Vec<NewEvent>,
    bytes: usize,
    /// Who brought how many of the events.
    waiting: Vec<(usize, Answer)>,
}

impl Batch {
    fn has_room_for(&self, call: &Call, limit: usize) -> bool {
        self.events.is_empty()
            || self.events.len() + call.events.len() <= limit && self.bytes + call.bytes() <= MAX_BATCH_BYTES
    }

    fn add(&mut self, call: Call) {
        self.bytes += call.bytes();
        self.waiting.push((call.events.len(), call.answer));
        self.events.extend(call.events);
    }
}

impl Call {
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.body.len()).sum()
    }
}

impl Publisher {
    /// A publisher and the task that must be run for it.
    #[must_use]
    pub fn new(
        store: Arc<dyn EventRepository>,
        ambient: Ambient,
        catalogue: Catalogue,
    ) -> (Self, PublisherTask) {
        Self::with_outages(store, ambient, catalogue, Outages::default())
    }

    /// The same, which tells `outages` of what the database fails to store.
    #[must_use]
    pub fn with_outages(
        store: Arc<dyn EventRepository>,
        ambient: Ambient,
        catalogue: Catalogue,
        outages: Outages,
    ) -> (Self, PublisherTask) {
        let (sender, calls) = mpsc::channel(MAX_WAITING);
        let measures = Publishing::new();
        let publisher = Self {
            calls: sender,
            store: Arc::clone(&store),
            ambient,
            catalogue,
            outages: outages.clone(),
            busy: measures.busy(),
        };
        (publisher, PublisherTask { calls, store, measures, outages })
    }

    /// Stores an event with all its deliveries; it is on disk when this answers.
    pub async fn publish(&self, draft: EventDraft) -> Result<Published, PublishError> {
        if draft.event_type.is_built_in() {
            let event = self.event_of(draft, Target::Subscribers);
            return self.store_one(event).await;
        }
        // It is answered for each of its events.
        self.publish_all(vec![draft]).await?.first().copied().ok_or(PublishError::Stopped)
    }

    /// Stores events with all their deliveries, all of them or none, in one transaction, and answers for
    /// each in the same order. A key that is repeated, within these events too, is answered as for one.
    pub async fn publish_all(&self, drafts: Vec<EventDraft>) -> Result<Vec<Published>, PublishError> {
        if drafts.len() > MAX_EVENTS {
            return Err(PublishError::TooMany(drafts.len()));
        }
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let drafts = self.catalogue.vet(drafts).await.inspect_err(|error| {
            if let PublishError::Store(cause) = error {
                self.outages.store_failed("publish", cause);
            }
        })?;
        let events = drafts.into_iter().map(|draft| self.event_of(draft, Target::Subscribers));
        self.store(events.collect()).await
    }

    /// Stores an event that is ours, for one webhook.
    pub(crate) async fn publish_to(
        &self,
        draft: EventDraft,
        target: Target,
    ) -> Result<Published, PublishError> {
        let event = self.event_of(draft, target);
        self.store_one(event).await
    }

    fn event_of(&self, draft: EventDraft, target: Target) -> NewEvent {
        let timestamp = draft.timestamp.unwrap_or_else(|| self.ambient.now().truncated_to_millis());
        NewEvent {
            id: self.ambient.event_id(),
            body: render_body(&draft.event_type, timestamp, &draft.data),
            key: draft.key,
            event_type: draft.event_type,
            project: draft.project,
            timestamp,
            traceparent: draft.traceparent,
            target,
        }
    }

    async fn store_one(&self, event: NewEvent) -> Result<Published, PublishError> {
        // A call is answered for each of its events.
        self.store(vec![event]).await?.first().copied().ok_or(PublishError::Stopped)
    }

    async fn store(&self, events: Vec<NewEvent>) -> Result<Vec<Published>, PublishError> {
        if is_repeated() { self.store_missing(events).await } else { self.hand_over(events).await }
    }

    /// Stores what is not there already. To what is, its deliveries were added together with it, and none
    /// since.
    async fn store_missing(&self, events: Vec<NewEvent>) -> Result<Vec<Published>, PublishError> {
        let (mut before, mut missing) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            let found = self.store.get(event.id).await;
            let found = found.map_err(|error| {
                self.outages.store_failed("publish", &error);
                PublishError::Store(Arc::new(error))
            })?;
            before.push(found.map(|record| Published {
                id: event.id,
                deliveries: u32::try_from(record.deliveries.total()).unwrap_or(u32::MAX),
                duplicate: true,
            }));
            if before.last() == Some(&None) {
                missing.push(event);
            }
        }
        let stored = if missing.is_empty() { Vec::new() } else { self.hand_over(missing).await? };
        let mut stored = stored.into_iter();
        Ok(before.into_iter().filter_map(|before| before.or_else(|| stored.next())).collect())
    }

    /// Hands events to the task that stores them.
    async fn hand_over(&self, events: Vec<NewEvent>) -> Result<Vec<Published>, PublishError> {
        let count = events.len();
        let (answer, answered) = oneshot::channel();
        let call = Call { events, answer };
        self.calls.try_send(call).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.busy.increment(count as u64);
                self.outages.failed("publish", &PublishError::Busy);
                PublishError::Busy
            }
            mpsc::error::TrySendError::Closed(_) => PublishError::Stopped,
        })?;
        let published = answered.await.map_err(|_| PublishError::Stopped)??;
        // A store answers for each event; one that does not is caught here rather than trusted.
        if published.len() == count { Ok(published) } else { Err(PublishError::Stopped) }
    }
}

impl PublisherTask {
    /// Stores what is brought until the last [`Publisher`] is gone and everything it brought is
    /// answered.
    pub async fn run(self) {
        let Self { calls, store, measures, outages } = self;
        let (calls, limit) = (Mutex::new((calls, Gather::default())), AtomicUsize::new(MAX_BATCH));
        let lane =
            || Lane { calls: &calls, limit: &limit, store: &*store, measures: &measures, outages: &outages };
        let lanes = [(); LANES].map(|()| lane().run());
        join_all(lanes).await;
    }
}

/// One of the commits that may be under way.
struct Lane<'a> {
    /// Whoever gathers has the lock, and nobody else has a use for it meanwhile.
    calls: &'a Mutex<(mpsc::Receiver<Call>, Gather)>,
    /// How many events go into one commit for now.
    limit: &'a AtomicUsize,
    store: &'a dyn EventRepository,
    measures: &'a Publishing,
    outages: &'a Outages,
}

impl Lane<'_> {
    async fn run(self) {
        let mut calls = Vec::new();
        while self.gather(&mut calls).await > 0 {
            let mut calls = calls.drain(..).peekable();
            while calls.peek().is_some() {
                let mut batch = Batch::default();
                let limit = self.limit.load(Ordering::Relaxed);
                while let Some(call) = calls.next_if(|call| batch.has_room_for(call, limit)) {
                    batch.add(call);
                }
                self.commit(batch).await;
            }
        }
    }

    async fn gather(&self, calls: &mut Vec<Call>) -> usize {
        let (receiver, gather) = &mut *self.calls.lock().await;
        gather.next(receiver, calls, self.limit.load(Ordering::Relaxed)).await
    }

    /// Keeps the next commits to what the database can do in time.
    fn learn(&self, events: usize, stored: Result<u64, &StoreError>) {
        let limit = match stored {
            Ok(deliveries) => {
                let deliveries = usize::try_from(deliveries).unwrap_or(usize::MAX).max(1);
                MAX_DELIVERIES.saturating_mul(events) / deliveries
            }
            Err(StoreError::Unavailable(_)) => events / 2,
            Err(_) => return,
        };
        self.limit.store(limit.clamp(1, MAX_BATCH), Ordering::Relaxed);
    }

    async fn commit(&self, batch: Batch) {
        let Batch { events, waiting, .. } = batch;
        let begun = Instant::now();
        match self.store.publish(&events).await {
            Ok(published) => {
                self.learn(events.len(), Ok(published.iter().map(|one| u64::from(one.deliveries)).sum()));
                self.outages.worked("publish");
                self.measures.stored(&published, begun.elapsed());
                let mut published = published.into_iter();
                for (count, answer) in waiting {
                    // Nobody listens any more if the caller went away; the event is stored all the same.
                    let _ = answer.send(Ok(published.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                self.learn(events.len(), Err(&error));
                self.outages.store_failed("publish", &error);
                self.measures.failed(events.len(), &error);
                let error = Arc::new(error);
                for (_, answer) in waiting {
                    let _ = answer.send(Err(PublishError::Store(Arc::clone(&error))));
                }
            }
        }
    }
}
