//! Publishing.

use std::collections::{HashMap, HashSet};

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::{
    DeliveryId, EventId, MAX_EVENT_DELIVERIES, NewEvent, OperationalEvent, PublishOutcome, Published,
    Timestamp, WebhookId,
};
use rdev_webhooks_store::NewDeliveries;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::subscribers::{Receivers, Subscribers};
use crate::error::{self, DbError, Row};
use crate::json::{self, Blobs, ByteRange};
use crate::rows::delivery::UNFINISHED;
use crate::rows::micros;

/// A producer's event key and its project, which is empty for none.
type Key<'a> = (&'a str, &'a str);

/// The events of one caller.
pub(crate) struct Call<'a> {
    events: Vec<&'a NewEvent>,
    max_deliveries: u32,
}

/// The webhook that gets none of the events although it may subscribe to them.
type Except = Option<WebhookId>;

impl<'a> Call<'a> {
    pub(crate) fn new(events: impl IntoIterator<Item = &'a NewEvent>, max_deliveries: u32) -> Self {
        Self { events: events.into_iter().collect(), max_deliveries }
    }

    /// Returns the number of deliveries that each event adds: none if its key is taken, also by an earlier
    /// event of the call.
    fn new_deliveries(&self, known: &HashMap<Key<'a>, Published>, receivers: &Subscribers<'a>) -> Vec<u32> {
        let mut keys = HashSet::new();
        let count = |event: &'a NewEvent| match key(event) {
            Some(key) if known.contains_key(&key) || !keys.insert(key) => 0,
            _ => receivers.get(event).count(),
        };
        self.events.iter().copied().map(count).collect()
    }
}

/// Stores the events and deliveries of several callers, and returns a result for each, in a few statements
/// for any number of callers, with the new deliveries. Stores nothing of a caller whose deliveries exceed its limit. Returns `None`, and stores nothing, if that cannot be decided for all callers at once.
pub(crate) async fn publish(
    conn: &mut SqliteConnection,
    calls: &[Call<'_>],
    except: Except,
    now: Timestamp,
) -> Result<Option<(Vec<PublishOutcome>, NewDeliveries)>, DbError> {
    let events: Vec<_> = calls.iter().flat_map(|call| call.events.iter().copied()).collect();
    let mut known = published_before(conn, &events).await?;
    let is_known = |event: &&NewEvent| key(event).is_some_and(|key| known.contains_key(&key));
    let fresh: Vec<_> = events.iter().copied().filter(|event| !is_known(event)).collect();
    let limit = calls.iter().map(|call| u64::from(call.max_deliveries)).sum();
    let mut subscribers = Subscribers::load(conn, &fresh, limit).await?;
    if let Some(webhook) = except {
        subscribers.remove(webhook);
    }
    if subscribers.is_cut() && calls.len() > 1 {
        return Ok(None);
    }
    let repeats: Vec<_> =
        events.iter().copied().filter(|event| event.producer.is_some() && is_known(event)).collect();
    let of_repeats = Subscribers::load(conn, &repeats, u64::MAX).await?;
    let mut batch = Batch::for_events(&events);
    let mut outcomes = Vec::with_capacity(calls.len());
    for call in calls {
        let counts = call.new_deliveries(&known, &subscribers);
        let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        if subscribers.is_cut() || total > u64::from(call.max_deliveries) {
            outcomes.push(PublishOutcome::TooLarge(counts));
            continue;
        }
        let mut answers = Vec::with_capacity(call.events.len());
        for event in call.events.iter().copied() {
            let key = key(event);
            if let Some(first) = key.and_then(|key| known.get(&key)) {
                let visible = match &event.producer {
                    None => first.deliveries,
                    Some(_) => subscribers.get(event).visible().max(of_repeats.get(event).visible()),
                };
                answers.push(Published { duplicate: true, visible_deliveries: visible, ..*first });
                continue;
            }
            let receivers = subscribers.get(event);
            let published = Published {
                id: event.id,
                deliveries: receivers.count(),
                visible_deliveries: receivers.visible(),
                duplicate: false,
            };
            batch.add(event, receivers);
            if let Some(key @ (project, text)) = key {
                known.insert(key, published);
                let event_id = json::id(event.id.as_uuid());
                batch.keys.push(KeyRow { project, key: text, event_id, deliveries: published.deliveries });
            }
            answers.push(published);
        }
        outcomes.push(PublishOutcome::Stored(answers));
    }
    let new = NewDeliveries::count(batch.deliveries.iter().map(|delivery| delivery.webhook));
    batch.insert(conn, now).await?;
    Ok(Some((outcomes, new)))
}

/// Stores an event of the service itself with its deliveries, and returns their number; 0 if nothing is stored
/// because they would be more than [`MAX_EVENT_DELIVERIES`]. After the commit, the caller wakes the workers.
pub(crate) async fn publish_in(
    conn: &mut SqliteConnection,
    OperationalEvent { event, except }: OperationalEvent,
    now: Timestamp,
) -> Result<u64, DbError> {
    let calls = [Call::new([&event], MAX_EVENT_DELIVERIES)];
    let outcomes = publish(conn, &calls, except, now).await?;
    match outcomes.and_then(|(mut outcomes, _)| outcomes.pop()) {
        Some(PublishOutcome::Stored(published)) => {
            Ok(published.iter().map(|one| u64::from(one.deliveries)).sum())
        }
        _ => {
            tracing::warn!(event_type = %event.event_type, "operational event not published: it has too many receivers");
            Ok(0)
        }
    }
}

/// Like [`publish`] for one caller, except that some of the events may exist already: these stay unchanged.
pub(crate) async fn publish_missing(
    conn: &mut SqliteConnection,
    call: &Call<'_>,
    now: Timestamp,
) -> Result<PublishOutcome, DbError> {
    let mut there = stored_before(conn, &call.events).await?;
    let (stored, missing): (Vec<_>, Vec<_>) =
        call.events.iter().copied().partition(|event| there.contains_key(&event.id));
    let limited: Vec<_> = stored.into_iter().filter(|event| event.producer.is_some()).collect();
    let visible = Subscribers::load(conn, &limited, u64::MAX).await?;
    for event in limited {
        let count = visible.get(event).visible();
        there.entry(event.id).and_modify(|published| published.visible_deliveries = count);
    }
    let outcomes = publish(conn, &[Call::new(missing, call.max_deliveries)], None, now).await?;
    let outcome = outcomes.and_then(|(mut outcomes, _)| outcomes.pop());
    match outcome.ok_or_else(|| error::internal("a call got no result"))? {
        PublishOutcome::Stored(published) => {
            let mut published = published.into_iter();
            let answer = |event: &&NewEvent| there.get(&event.id).copied().or_else(|| published.next());
            Ok(PublishOutcome::Stored(call.events.iter().filter_map(answer).collect()))
        }
        PublishOutcome::TooLarge(counts) => {
            let mut counts = counts.into_iter();
            let count = |event: &&NewEvent| {
                let is_there = there.contains_key(&event.id);
                if is_there { 0 } else { counts.next().unwrap_or(0) }
            };
            Ok(PublishOutcome::TooLarge(call.events.iter().map(count).collect()))
        }
    }
}

/// Returns the results for the events that exist already.
async fn stored_before(
    conn: &mut SqliteConnection,
    events: &[&NewEvent],
) -> Result<HashMap<EventId, Published>, DbError> {
    let ids = json::ids(events.iter().map(|event| event.id.as_uuid()))?;
    let rows = sqlx::query!(
        r#"SELECT e.id, (SELECT count(*) FROM webhooks_deliveries AS d WHERE d.event_id = e.id) AS "deliveries!: i64"
           FROM webhooks_events AS e WHERE e.id IN (SELECT unhex(value) FROM json_each(?1))"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut there = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = error::uuid("events", "id", &row.id).map(EventId::from_uuid)?;
        let deliveries = Row { table: "events", id: &id }.number("id", row.deliveries)?;
        there.insert(id, Published { id, deliveries, visible_deliveries: deliveries, duplicate: true });
    }
    Ok(there)
}

fn key(event: &NewEvent) -> Option<Key<'_>> {
    let project = event.project.as_ref().map_or("", |project| project.as_str());
    event.key.as_ref().map(|key| (project, key.as_str()))
}

/// Returns the results for the keys that were taken before.
async fn published_before<'a>(
    conn: &mut SqliteConnection,
    events: &[&'a NewEvent],
) -> Result<HashMap<Key<'a>, Published>, DbError> {
    let keys: Vec<_> = events.iter().filter_map(|event| key(event)).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let lookups = json::rows(&keys)?;
    let rows = sqlx::query!(
        r#"SELECT CAST(lookup.key AS INTEGER) AS "lookup!: i64", k.event_id, k.deliveries
           FROM json_each(?1) AS lookup CROSS JOIN webhooks_event_keys AS k
             ON k.project = lookup.value ->> 0 AND k.key = lookup.value ->> 1"#,
        lookups
    )
    .fetch_all(conn)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let asked = usize::try_from(row.lookup).ok().and_then(|at| keys.get(at));
        let key = *asked.ok_or_else(|| error::internal("a lookup got a result that was not requested"))?;
        let place = Row { table: "event_keys", id: &key.1 };
        let id = error::uuid("event_keys", "event_id", &row.event_id).map(EventId::from_uuid)?;
        let deliveries = place.number("deliveries", row.deliveries)?;
        known.insert(key, Published { id, deliveries, visible_deliveries: deliveries, duplicate: true });
    }
    Ok(known)
}

/// The rows to insert, each as its statement reads it.
struct Batch<'a> {
    events: Vec<EventRow<'a>>,
    bodies: Blobs,
    deliveries: Vec<NewDelivery>,
    keys: Vec<KeyRow<'a>>,
}

/// An event to insert; the members have the names of the columns.
#[derive(Serialize)]
struct EventRow<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    command_id: Option<String>,
    body: ByteRange,
}

/// An event key to insert.
#[derive(Serialize)]
struct KeyRow<'a> {
    project: &'a str,
    key: &'a str,
    event_id: String,
    deliveries: u32,
}

/// A delivery to insert. They are ordered by webhook: the two largest indexes begin with it, so that the deliveries
/// of a webhook change the same pages one after the other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct NewDelivery {
    webhook: WebhookId,
    id: DeliveryId,
    event: EventId,
}

impl NewDelivery {
    fn new(event: EventId, webhook: WebhookId) -> Self {
        Self { webhook, id: DeliveryId::derive(event, webhook), event }
    }
}

impl<'a> Batch<'a> {
    fn for_events(events: &[&NewEvent]) -> Self {
        Self {
            events: Vec::with_capacity(events.len()),
            bodies: Blobs::with_capacity(events.iter().map(|event| event.body.len()).sum()),
            deliveries: Vec::with_capacity(events.len()),
            keys: Vec::new(),
        }
    }

    fn add(&mut self, event: &'a NewEvent, receivers: &Receivers) {
        let project = event.project.as_ref().map(|project| project.as_str());
        self.deliveries.extend(receivers.ids().iter().map(|webhook| NewDelivery::new(event.id, *webhook)));
        self.events.push(EventRow {
            id: json::id(event.id.as_uuid()),
            key: event.key.as_ref().map(|key| key.as_str()),
            event_type: event.event_type.as_str(),
            project,
            timestamp: micros(event.timestamp),
            traceparent: event.traceparent.map(|trace| trace.to_string()),
            command_id: event.command_id().map(|id| id.to_string()),
            body: self.bodies.push(&event.body),
        });
    }

    async fn insert(self, conn: &mut SqliteConnection, now: Timestamp) -> Result<(), DbError> {
        if !self.events.is_empty() {
            insert_events(conn, &self.events, self.bodies).await?;
        }
        if !self.deliveries.is_empty() {
            insert_deliveries(conn, self.deliveries, now).await?;
        }
        if !self.keys.is_empty() {
            insert_keys(conn, &self.keys).await?;
        }
        Ok(())
    }
}

async fn insert_events(
    conn: &mut SqliteConnection,
    events: &[EventRow<'_>],
    bodies: Blobs,
) -> Result<(), DbError> {
    let (events, bodies) = (json::rows(&events)?, bodies.into_bytes());
    sqlx::query!(
        "WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
         INSERT INTO webhooks_events (id, key, event_type, project, timestamp, traceparent, command_id, body)
         SELECT unhex(value ->> 'id'), value ->> 'key', value ->> 'event_type', value ->> 'project',
           value ->> 'timestamp', value ->> 'traceparent', value ->> 'command_id',
           coalesce(substr(?2, value ->> '$.body[0]', value ->> '$.body[1]'), x'')
         FROM batch",
        events,
        bodies
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes deliveries of stored events to a webhook that has none of them yet.
pub(crate) async fn deliver(
    conn: &mut SqliteConnection,
    webhook: WebhookId,
    events: &[EventId],
    now: Timestamp,
) -> Result<(), DbError> {
    let new = events.iter().map(|event| NewDelivery::new(*event, webhook));
    insert_deliveries(conn, new.collect(), now).await
}

/// Inserts deliveries of existing events. Their ids, of 16 bytes, are passed as bytes: JSON takes three times as long.
async fn insert_deliveries(
    conn: &mut SqliteConnection,
    mut deliveries: Vec<NewDelivery>,
    now: Timestamp,
) -> Result<(), DbError> {
    deliveries.sort_unstable();
    let count = i64::try_from(deliveries.len()).map_err(|_| error::internal("too many deliveries"))?;
    let mut ids = Vec::with_capacity(deliveries.len() * 48);
    for NewDelivery { webhook, id, event } in deliveries {
        ids.extend_from_slice(id.as_uuid().as_bytes());
        ids.extend_from_slice(event.as_uuid().as_bytes());
        ids.extend_from_slice(webhook.as_uuid().as_bytes());
    }
    let new = Progress::new(now);
    let (due_at, trigger) = (micros(new.due_at), new.trigger.as_str());
    let inserted = sqlx::query!(
        r#"WITH RECURSIVE batch (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM batch LIMIT +?1)
           INSERT INTO webhooks_deliveries (id, event_id, webhook_id, event_type, project, status, attempts,
             automatic_attempts, abandoned_count, "trigger", due_at, claimable_at)
           SELECT substr(?2, n * 48 + 1, 16), e.id, substr(?2, n * 48 + 33, 16), e.event_type, e.project, ?3, ?4,
             ?5, ?6, ?7, ?8, ?8
           FROM batch CROSS JOIN webhooks_events AS e ON e.id = substr(?2, n * 48 + 17, 16)"#,
        count,
        ids,
        UNFINISHED,
        new.attempts,
        new.automatic_attempts,
        new.abandoned_count,
        trigger,
        due_at
    )
    .execute(conn)
    .await?;
    if i64::try_from(inserted.rows_affected()) != Ok(count) {
        return Err(error::internal("a delivery was published without its event").into());
    }
    Ok(())
}

async fn insert_keys(conn: &mut SqliteConnection, keys: &[KeyRow<'_>]) -> Result<(), DbError> {
    let keys = json::rows(&keys)?;
    sqlx::query!(
        "INSERT INTO webhooks_event_keys (project, key, event_id, deliveries)
         SELECT value ->> 'project', value ->> 'key', unhex(value ->> 'event_id'), value ->> 'deliveries'
         FROM json_each(?1)",
        keys
    )
    .execute(conn)
    .await?;
    Ok(())
}
