//! Publication of events: many callers share one commit.

mod batch;
mod commits;

use std::fmt;
use std::sync::Arc;

use metrics::Counter;
use rdev_access::Ids;
use rdev_app::{Ambient, Outages};
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, ApiKeyId, EventId, EventKey, EventType, NewEvent, ProjectName, Published, Target, Timestamp,
    TraceParent, render_body,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::Publishing;
use crate::{EventTypeCatalog, EventTypeRegistry, EventViolation};
use batch::Call;

pub use commits::PublisherTask;

/// Maximum number of calls that wait for a commit. Further calls fail with [`PublishError::Busy`].
const MAX_WAITING: usize = 4_096;

/// Maximum number of events per call.
pub const MAX_EVENTS: usize = 1_000;
/// Maximum number of deliveries that a call with several events may create.
pub const MAX_BATCH_DELIVERIES: u32 = 2_500;
pub use rdev_webhooks_domain::MAX_EVENT_DELIVERIES;

/// The producer of events. The default has no restrictions.
#[derive(Debug, Clone, Default)]
pub struct Producer {
    /// The API key. `None` for the administrator key, or without a key.
    pub key: Option<ApiKeyId>,
    /// The access of a project-scoped producer.
    pub access: Option<Arc<Access>>,
}

/// An event to publish, as its producer submits it.
#[derive(Debug, Clone)]
pub struct EventDraft {
    /// The event type. It must be in the registry and must not be operational.
    pub event_type: EventType,
    /// When the event happened. Without it, the time of publication.
    pub timestamp: Option<Timestamp>,
    /// The event key: the producer's own id of the event.
    pub key: Option<EventKey>,
    /// The project of the event.
    pub project: Option<ProjectName>,
    /// The payload: the text of a JSON object, delivered byte for byte. It must match the schema of its type,
    /// if there is one.
    pub data: String,
    /// The producer's trace context.
    pub traceparent: Option<TraceParent>,
}

/// Why an event was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The events do not meet the registry's rules for their types. Contains all violations, up to a hundred.
    #[error("{}", of_violations(.0))]
    Invalid(Vec<EventViolation>),
    /// The call contains more than [`MAX_EVENTS`] events.
    #[error("must contain at most {MAX_EVENTS} events, not {0}")]
    TooMany(usize),
    /// The events would create too many deliveries. Nothing was stored.
    #[error("{0}")]
    TooLarge(TooLarge),
    /// The check of the events against the schemas of their types would take too long. Nothing was stored.
    #[error("require too much work to check against the schemas of their types: publish fewer at once")]
    TooMuchWork,
    /// Too many calls are waiting for the database, or this call has waited too long. Nothing was stored, and
    /// another try may succeed.
    #[error("too many events are waiting to be stored")]
    Busy,
    /// The process is stopping. Nothing was stored.
    #[error("the publisher has stopped")]
    Stopped,
    /// The database failed. After [`StoreError::Unavailable`] the event may be stored nevertheless. An event
    /// key makes another try safe.
    #[error("the event could not be stored")]
    Store(#[source] Arc<StoreError>),
}

/// Why events cannot be stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Number of events.
    pub events: usize,
    /// Number of deliveries that they would create at least, one for each event and each webhook that gets
    /// it.
    pub deliveries: u64,
    /// Maximum number of deliveries.
    pub limit: u32,
    /// Number of events, counted from the first, that stay within the limit.
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

fn of_violations(violations: &[EventViolation]) -> String {
    let first = violations.first().map(|first| first.violation.to_string()).unwrap_or_default();
    match violations.len() {
        0 | 1 => first,
        more => format!("{first}, and {} more violations", more - 1),
    }
}

/// The publisher of events. Clones are cheap. The task ends when the last clone is dropped.
#[derive(Clone)]
pub struct Publisher {
    calls: mpsc::Sender<Call>,
    store: Arc<dyn EventRepository>,
    ambient: Ambient,
    event_types: EventTypeRegistry,
    outages: Outages,
    busy: Counter,
}

impl Publisher {
    /// Creates a publisher and the task that must run for it.
    #[must_use]
    pub fn new(
        store: Arc<dyn EventRepository>,
        ambient: Ambient,
        event_types: EventTypeRegistry,
    ) -> (Self, PublisherTask) {
        Self::with_outages(store, ambient, event_types, Outages::default())
    }

    /// Creates a publisher as [`Self::new`] does. It reports database failures to `outages`.
    #[must_use]
    pub fn with_outages(
        store: Arc<dyn EventRepository>,
        ambient: Ambient,
        event_types: EventTypeRegistry,
        outages: Outages,
    ) -> (Self, PublisherTask) {
        let (sender, calls) = mpsc::channel(MAX_WAITING);
        let metrics = Publishing::new();
        let publisher = Self {
            calls: sender,
            store: Arc::clone(&store),
            ambient,
            event_types,
            outages: outages.clone(),
            busy: metrics.busy(),
        };
        (publisher, PublisherTask { calls, store, metrics, outages, stop: CancellationToken::new() })
    }

    /// Stores an event with all its deliveries. Both are on disk when this returns.
    pub async fn publish(&self, draft: EventDraft) -> Result<Published, PublishError> {
        self.publish_as(&Producer::default(), draft, Ids::fresh()).await
    }

    /// Stores a producer's event as [`Self::publish`] does. Under an idempotency key, a repeated request stores
    /// it once.
    pub async fn publish_as(
        &self,
        producer: &Producer,
        draft: EventDraft,
        ids: Ids,
    ) -> Result<Published, PublishError> {
        if draft.event_type.is_built_in() {
            let event = self.event_of(producer, draft, Target::Subscribers, ids, 0);
            return self.store_one(event, ids).await;
        }
        // The answer has one entry for each event.
        self.publish_all_as(producer, vec![draft], ids).await?.first().copied().ok_or(PublishError::Stopped)
    }

    /// Stores events with all their deliveries in one transaction, all or none. Returns one entry for each
    /// event, in input order. An event with a repeated key, even within these events, is a duplicate as in
    /// [`Self::publish`].
    pub async fn publish_all(&self, drafts: Vec<EventDraft>) -> Result<Vec<Published>, PublishError> {
        self.publish_all_as(&Producer::default(), drafts, Ids::fresh()).await
    }

    /// Stores a producer's events as [`Self::publish_all`] does, under an idempotency key as
    /// [`Self::publish_as`].
    pub async fn publish_all_as(
        &self,
        producer: &Producer,
        drafts: Vec<EventDraft>,
        ids: Ids,
    ) -> Result<Vec<Published>, PublishError> {
        if drafts.len() > MAX_EVENTS {
            return Err(PublishError::TooMany(drafts.len()));
        }
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let drafts = self.validate(producer.key, drafts).await?;
        let events = drafts.into_iter().enumerate();
        let events =
            events.map(|(index, draft)| self.event_of(producer, draft, Target::Subscribers, ids, index));
        self.store(events.collect(), ids).await
    }

    /// Checks an event as [`Self::publish`] does, and gives it an id and a body. The caller stores it.
    pub async fn prepare(&self, draft: EventDraft) -> Result<NewEvent, PublishError> {
        self.event_types.catalog().prepare(&self.ambient, draft).await
    }

    async fn validate(
        &self,
        key: Option<ApiKeyId>,
        drafts: Vec<EventDraft>,
    ) -> Result<Vec<EventDraft>, PublishError> {
        self.event_types.validate(key, drafts).await.inspect_err(|error| {
            if let PublishError::Store(cause) = error {
                self.outages.store_failed("publish", cause);
            }
        })
    }

    /// Stores an event of the service itself for `target`: the `index`-th event of an operation.
    pub(crate) async fn publish_to(
        &self,
        draft: EventDraft,
        target: Target,
        ids: Ids,
        index: usize,
    ) -> Result<Published, PublishError> {
        let event = self.event_of(&Producer::default(), draft, target, ids, index);
        self.store_one(event, ids).await
    }

    fn event_of(
        &self,
        producer: &Producer,
        draft: EventDraft,
        target: Target,
        ids: Ids,
        index: usize,
    ) -> NewEvent {
        new_event(&self.ambient, producer, draft, target, ids, index)
    }

    async fn store_one(&self, event: NewEvent, ids: Ids) -> Result<Published, PublishError> {
        // The answer has one entry for each event.
        self.store(vec![event], ids).await?.first().copied().ok_or(PublishError::Stopped)
    }

    async fn store(&self, events: Vec<NewEvent>, ids: Ids) -> Result<Vec<Published>, PublishError> {
        if ids.may_exist() { self.store_missing(events).await } else { self.hand_over(events).await }
    }

    /// Stores the events that are not stored yet. A stored event has all its deliveries: they were added with
    /// it, and none since.
    async fn store_missing(&self, events: Vec<NewEvent>) -> Result<Vec<Published>, PublishError> {
        let (mut before, mut missing) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            let found = self.store.get(Access::everything(), event.id).await;
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
        // A store answers for each event. A wrong answer is caught here rather than trusted.
        if published.len() == count { Ok(published) } else { Err(PublishError::Stopped) }
    }
}

impl EventTypeCatalog {
    /// Checks an event as [`Publisher::publish`] does, and gives it an id and a body. The caller stores it.
    pub async fn prepare(&self, ambient: &Ambient, draft: EventDraft) -> Result<NewEvent, PublishError> {
        let drafts = self.validate(None, vec![draft]).await?;
        // The check returns each draft.
        let draft = drafts.into_iter().next().ok_or(PublishError::Stopped)?;
        Ok(new_event(ambient, &Producer::default(), draft, Target::Subscribers, Ids::fresh(), 0))
    }
}

fn new_event(
    ambient: &Ambient,
    producer: &Producer,
    draft: EventDraft,
    target: Target,
    ids: Ids,
    index: usize,
) -> NewEvent {
    let timestamp = draft.timestamp.unwrap_or_else(|| ids.now(ambient).truncated_to_millis());
    NewEvent {
        id: ids.id(ambient, "event", index, EventId::from_parts),
        body: render_body(&draft.event_type, timestamp, &draft.data),
        key: draft.key,
        event_type: draft.event_type,
        project: draft.project,
        timestamp,
        traceparent: draft.traceparent,
        target,
        producer: producer.access.clone(),
    }
}
