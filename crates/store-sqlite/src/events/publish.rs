//! Publishing.

use std::collections::HashMap;

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, EventId, NewEvent, Published, Timestamp};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::subscribers::Subscribers;
use crate::error::{self, Row};
use crate::json::{self, Blobs, Place};
use crate::rows::delivery::UNFINISHED;
use crate::rows::micros;

/// A producer's key within its project, which is empty for none.
type Key<'a> = (&'a str, &'a str);

/// Stores events and their deliveries, and answers for each in the same order. However many there are,
/// that is five statements at the most.
pub(crate) async fn publish(
    conn: &mut SqliteConnection,
    events: &[&NewEvent],
    now: Timestamp,
) -> Result<Vec<Published>, StoreError> {
    let mut known = published_before(conn, events).await?;
    let subscribers = Subscribers::of(conn, events).await?;
    let mut batch = Batch::for_events(events);
    let mut answers = Vec::with_capacity(events.len());
    for event in events {
        let key = key(event);
        if let Some(first) = key.and_then(|key| known.get(&key)) {
            answers.push(Published { duplicate: true, ..*first });
            continue;
        }
        let webhooks = subscribers.get(event);
        let published = Published {
            id: event.id,
            deliveries: u32::try_from(webhooks.len()).unwrap_or(u32::MAX),
            duplicate: false,
        };
        batch.add(event);
        for webhook in webhooks {
            let project = event.project.as_ref().map(|project| project.as_str());
            batch.deliveries.push(NewDelivery(
                json::id(DeliveryId::derive(event.id, *webhook).as_uuid()),
                json::id(event.id.as_uuid()),
                json::id(webhook.as_uuid()),
                event.event_type.as_str(),
                project,
            ));
        }
        if let Some(key @ (project, text)) = key {
            known.insert(key, published);
            batch.keys.push((project, text, json::id(event.id.as_uuid()), published.deliveries));
        }
        answers.push(published);
    }
    batch.insert(conn, now).await?;
    Ok(answers)
}

/// As [`publish`], save that events may be among them that are there already: these stay as they are.
pub(crate) async fn publish_missing(
    conn: &mut SqliteConnection,
    events: &[&NewEvent],
    now: Timestamp,
) -> Result<Vec<Published>, StoreError> {
    let there = stored_before(conn, events).await?;
    let missing: Vec<_> = events.iter().copied().filter(|event| !there.contains_key(&event.id)).collect();
    let mut published = publish(conn, &missing, now).await?.into_iter();
    let answers =
        events.iter().filter_map(|event| there.get(&event.id).copied().or_else(|| published.next()));
    Ok(answers.collect())
}

/// What is to be answered for those of the events that are there.
async fn stored_before(
    conn: &mut SqliteConnection,
    events: &[&NewEvent],
) -> Result<HashMap<EventId, Published>, StoreError> {
    let ids = json::ids(events.iter().map(|event| event.id.as_uuid()))?;
    let rows = sqlx::query!(
        r#"SELECT e.id, (SELECT count(*) FROM deliveries AS d WHERE d.event_id = e.id) AS "deliveries!: i64"
           FROM events AS e WHERE e.id IN (SELECT unhex(value) FROM json_each(?1))"#,
        ids
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    let mut there = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = error::uuid("events", "id", &row.id).map(EventId::from_uuid)?;
        let deliveries = Row { table: "events", id: &id }.number("id", row.deliveries)?;
        there.insert(id, Published { id, deliveries, duplicate: true });
    }
    Ok(there)
}

fn key(event: &NewEvent) -> Option<Key<'_>> {
    let project = event.project.as_ref().map_or("", |project| project.as_str());
    event.key.as_ref().map(|key| (project, key.as_str()))
}

/// What was answered for those of the keys that were taken before.
async fn published_before<'a>(
    conn: &mut SqliteConnection,
    events: &[&'a NewEvent],
) -> Result<HashMap<Key<'a>, Published>, StoreError> {
    let keys: Vec<_> = events.iter().filter_map(|event| key(event)).collect();
    let mut known = HashMap::new();
    if keys.is_empty() {
        return Ok(known);
    }
    let lookups = json::rows(&keys)?;
    let rows = sqlx::query!(
        r#"SELECT CAST(lookup.key AS INTEGER) AS "lookup!: i64", k.event_id, k.deliveries
           FROM json_each(?1) AS lookup CROSS JOIN event_keys AS k
             ON k.project = lookup.value ->> 0 AND k.key = lookup.value ->> 1"#,
        lookups
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    for row in rows {
        let asked = usize::try_from(row.lookup).ok().and_then(|at| keys.get(at));
        let key = *asked.ok_or_else(|| error::internal("a look-up was answered that was not made"))?;
        let place = Row { table: "event_keys", id: &key.1 };
        let id = error::uuid("event_keys", "event_id", &row.event_id).map(EventId::from_uuid)?;
        let deliveries = place.number("deliveries", row.deliveries)?;
        known.insert(key, Published { id, deliveries, duplicate: true });
    }
    Ok(known)
}

/// The rows to be inserted, each as its statement reads it.
struct Batch<'a> {
    events: Vec<EventRow<'a>>,
    bodies: Blobs,
    deliveries: Vec<NewDelivery<'a>>,
    keys: Vec<(&'a str, &'a str, String, u32)>,
}

#[derive(Serialize)]
struct EventRow<'a>(String, Option<&'a str>, &'a str, Option<&'a str>, i64, Option<String>, Place);

#[derive(Serialize)]
struct NewDelivery<'a>(String, String, String, &'a str, Option<&'a str>);

impl<'a> Batch<'a> {
    fn for_events(events: &[&NewEvent]) -> Self {
        Self {
            events: Vec::with_capacity(events.len()),
            bodies: Blobs::with_capacity(events.iter().map(|event| event.body.len()).sum()),
            deliveries: Vec::with_capacity(events.len()),
            keys: Vec::new(),
        }
    }

    fn add(&mut self, event: &'a NewEvent) {
        self.events.push(EventRow(
            json::id(event.id.as_uuid()),
            event.key.as_ref().map(|key| key.as_str()),
            event.event_type.as_str(),
            event.project.as_ref().map(|project| project.as_str()),
            micros(event.timestamp),
            event.traceparent.map(|trace| trace.to_string()),
            self.bodies.push(&event.body),
        ));
    }

    async fn insert(self, conn: &mut SqliteConnection, now: Timestamp) -> Result<(), StoreError> {
        if !self.events.is_empty() {
            insert_events(conn, &self.events, self.bodies).await?;
        }
        if !self.deliveries.is_empty() {
            insert_deliveries(conn, &self.deliveries, now).await?;
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
) -> Result<(), StoreError> {
    let (events, bodies) = (json::rows(&events)?, bodies.into_bytes());
    sqlx::query!(
        "WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
         INSERT INTO events (id, key, event_type, project, timestamp, traceparent, body)
         SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
           coalesce(substr(?2, value ->> '$[6][0]', value ->> '$[6][1]'), x'')
         FROM batch",
        events,
        bodies
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}

async fn insert_deliveries(
    conn: &mut SqliteConnection,
    deliveries: &[NewDelivery<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let deliveries = json::rows(&deliveries)?;
    let new = Progress::new(now);
    let (due_at, trigger) = (micros(new.due_at), new.trigger.as_str());
    sqlx::query!(
        r#"WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
           INSERT INTO deliveries (id, event_id, webhook_id, event_type, project, status, attempts,
             automatic_attempts, takeovers, "trigger", due_at, claimable_at)
           SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value ->> 3, value ->> 4, ?2, ?3,
             ?4, ?5, ?6, ?7, ?7
           FROM batch"#,
        deliveries,
        UNFINISHED,
        new.attempts,
        new.automatic_attempts,
        new.takeovers,
        trigger,
        due_at
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}

async fn insert_keys(
    conn: &mut SqliteConnection,
    keys: &[(&str, &str, String, u32)],
) -> Result<(), StoreError> {
    let keys = json::rows(&keys)?;
    sqlx::query!(
        "INSERT INTO event_keys (project, key, event_id, deliveries)
         SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3 FROM json_each(?1)",
        keys
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}
