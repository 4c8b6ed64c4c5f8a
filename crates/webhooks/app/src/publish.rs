//! Publishing: many callers, one commit.

mod lanes;

use std::fmt;
use std::sync::Arc;

use metrics::Counter;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, ApiKeyId, EventKey, EventType, NewEvent, ProjectName, Published, Target, Timestamp, TraceParent,
    render_body,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::idempotency::is_repeated;
use crate::measures::Publishing;
use crate::{Ambient, Catalogue, EventFault, Outages};
use lanes::Call;

pub use lanes::PublisherTask;

/// How many calls may wait for a commit; further ones are told [`PublishError::Busy`].
const MAX_WAITING: usize = 4_096;

/// How many events one call may bring.
pub const MAX_EVENTS: usize = 1_000;
/// How many deliveries a call with several events may make.
pub const MAX_BATCH_DELIVERIES: u32 = 5_000;
/// How many deliveries a single event may make.
pub const MAX_EVENT_DELIVERIES: u32 = 100_000;

/// On whose behalf events are published. The default is limited in nothing.
#[derive(Debug, Clone, Default)]
pub struct Producer {
    /// The API key; none for the administrator's, or without one.
    pub key: Option<ApiKeyId>,
    /// What the producer sees, if that is limited to projects.
    pub access: Option<Arc<Access>>,
}

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
    #[error("must contain at most {MAX_EVENTS} events, not {0}")]
    TooMany(usize),
    /// The events would make too many deliveries. Nothing was stored.
    #[error("{0}")]
    TooLarge(TooLarge),
    /// Checking the events against the schemas of their types would take too long. Nothing was stored.
    #[error("require too much work to check against the schemas of their types: publish fewer at once")]
    TooMuchWork,
    /// Too many calls are waiting for the database, or this one has waited for too long. Nothing was stored;
    /// worth another try.
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

/// Why events cannot be stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// How many events there were.
    pub events: usize,
    /// How many deliveries they would make, each event one for each webhook that gets it; at least so many.
    pub deliveries: u64,
    /// How many deliveries they may make.
    pub limit: u32,
    /// How many of the events, from the first on, stay within the limit.
    pub events_within: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, deliveries, limit, events_within } = self;
        if *events == 1 {
            return write!(
                f,
                "would create at least {deliveries} deliveries, one for each webhook that gets it; an event can \
                 create at most {limit}"
            );
        }
        write!(
            f,
            "would create at least {deliveries} deliveries, one for each of the {events} events and each webhook \
             that gets it; a batch can create at most {limit}: "
        )?;
        match events_within {
            0 | 1 => f.write_str("publish the events one by one"),
            fit => {
                write!(f, "publish the first {fit} events as one batch, then the others likewise")
            }
        }
    }
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
        self.publish_as(&Producer::default(), draft).await
    }

    /// Stores an event of a producer as [`Self::publish`] does.
    pub async fn publish_as(
        &self,
        producer: &Producer,
        draft: EventDraft,
    ) -> Result<Published, PublishError> {
        if draft.event_type.is_built_in() {
            let event = self.event_of(producer, draft, Target::Subscribers);
            return self.store_one(event).await;
        }
        // It is answered for each of its events.
        self.publish_all_as(producer, vec![draft]).await?.first().copied().ok_or(PublishError::Stopped)
    }

    /// Stores events with all their deliveries, all of them or none, in one transaction, and answers for
    /// each in the same order. A key that is repeated, within these events too, is answered as for one.
    pub async fn publish_all(&self, drafts: Vec<EventDraft>) -> Result<Vec<Published>, PublishError> {
        self.publish_all_as(&Producer::default(), drafts).await
    }

    /// Stores events of a producer as [`Self::publish_all`] does.
    pub async fn publish_all_as(
        &self,
        producer: &Producer,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<Published>, PublishError> {
        if drafts.len() > MAX_EVENTS {
            return Err(PublishError::TooMany(drafts.len()));
        }
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let drafts = self.catalogue.vet(producer.key, drafts).await.inspect_err(|error| {
            if let PublishError::Store(cause) = error {
                self.outages.store_failed("publish", cause);
            }
        })?;
        let events = drafts.into_iter().map(|draft| self.event_of(producer, draft, Target::Subscribers));
        self.store(events.collect()).await
    }

    /// Stores an event that is ours, for one webhook.
    pub(crate) async fn publish_to(
        &self,
        draft: EventDraft,
        target: Target,
    ) -> Result<Published, PublishError> {
        let event = self.event_of(&Producer::default(), draft, target);
        self.store_one(event).await
    }

    fn event_of(&self, producer: &Producer, draft: EventDraft, target: Target) -> NewEvent {
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
            visible_to: producer.access.clone(),
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
            before.push(found.map(|record| {
                let deliveries = u32::try_from(record.deliveries.total()).unwrap_or(u32::MAX);
                Published { id: event.id, deliveries, visible_deliveries: deliveries, duplicate: true }
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
        let call = Call { events, answer, since: Instant::now() };
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
