//! Stores any batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{EventId, NewEvent, Published, Target, WakeUp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Inserted, Plan};
use crate::convert::{to_micros_up, to_sql_time, to_u32};
use crate::store::Inner;

/// The columns of the events to store.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    project: Vec<Option<String>>,
    key: Vec<Option<String>>,
    target: Vec<Option<Uuid>>,
    target_version: Vec<Option<i64>>,
    timestamp: Vec<DateTime<Utc>>,
    event_type: Vec<String>,
    traceparent: Vec<Option<String>>,
    body: Vec<Vec<u8>>,
    command_id: Vec<Option<String>>,
}

impl Columns {
    fn of(events: &[NewEvent], firsts: &[usize]) -> Self {
        let mut columns = Self::default();
        for event in firsts.iter().map(|position| &events[*position]) {
            columns.id.push(event.id.as_uuid());
            columns.project.push(event.project.as_ref().map(ToString::to_string));
            columns.key.push(event.key.as_ref().map(ToString::to_string));
            let (target, version) = match event.target {
                Target::Subscribers => (None, None),
                Target::Webhook(webhook) => (Some(webhook.as_uuid()), None),
                // No webhook has a version beyond the database's numbers.
                Target::WebhookAt(webhook, version) => {
                    (Some(webhook.as_uuid()), Some(i64::try_from(version).unwrap_or(-1)))
                }
            };
            columns.target.push(target);
            columns.target_version.push(version);
            columns.timestamp.push(to_sql_time(event.timestamp));
            columns.event_type.push(event.event_type.as_str().to_owned());
            columns.traceparent.push(event.traceparent.map(|trace| trace.to_string()));
            columns.body.push(event.body.to_vec());
            columns.command_id.push(event.command_id().map(|id| id.to_string()));
        }
        columns
    }
}

/// Stores the events in one statement that is one transaction.
///
/// Events whose key was taken before are in `taken` alone. `keyed` takes the keys of the others, in the one
/// order of all transactions, so that two batches never wait for each other; it takes over an expired key.
/// For a key that another process took at the same moment the result is that process's event. `stored` skips
/// an event that exists already, as when a batch is repeated because its response was lost. `(… IN …) IS
/// TRUE` is looked up in a hash table; a bare `IN` would become a join, and with the planner's settings of
/// these connections a nested loop over the whole batch.
pub(super) async fn insert(
    store: &Inner,
    events: &[NewEvent],
    plan: &Plan,
    sent: &AtomicBool,
) -> Result<Inserted, StoreError> {
    store
        .write()
        .run(async |conn| {
            sent.store(true, Ordering::Relaxed);
            insert_on(conn, store.key_lifetime, events, plan).await
        })
        .await
}

/// Stores the events on a connection, as a part of its transaction if it has one.
pub(super) async fn insert_on(
    conn: &mut PgConnection,
    key_lifetime: Duration,
    events: &[NewEvent],
    plan: &Plan,
) -> Result<Inserted, sqlx::Error> {
    let columns = Columns::of(events, &plan.firsts);
    let rows = sqlx::query_file!(
        "src/events/publish/general.sql",
        &columns.id,
        &columns.project as &[Option<String>],
        &columns.key as &[Option<String>],
        &columns.target as &[Option<Uuid>],
        &plan.routes as &[Option<i32>],
        &plan.route,
        &plan.pattern,
        &plan.project,
        to_micros_up(key_lifetime),
        &columns.timestamp,
        &columns.event_type,
        &columns.traceparent as &[Option<String>],
        &columns.body,
        &columns.target_version as &[Option<i64>],
        plan.max_deliveries,
        plan.max_matches,
        &plan.limited_route,
        &plan.visible_project,
        &plan.except as &[Option<Uuid>],
        &columns.command_id as &[Option<String>],
    )
    .fetch_all(conn)
    .await?;
    if rows.iter().any(|row| !row.fits) {
        let count = rows.iter().map(|row| if row.taken { 0 } else { to_u32(row.deliveries) });
        return Ok(Inserted::TooLarge(count.collect()));
    }
    let answers = plan.firsts.iter().zip(rows).map(|(position, row)| {
        let first = row.first_id.zip(row.first_deliveries);
        let deliveries = to_u32(first.map_or(row.deliveries, |(_, deliveries)| deliveries));
        Published {
            id: first.map_or(events[*position].id, |(id, _)| EventId::from_uuid(id)),
            deliveries,
            visible_deliveries: row.visible.map_or(deliveries, to_u32),
            duplicate: !row.stored,
        }
    });
    Ok(Inserted::Answers(answers.collect(), WakeUp::Any, Vec::new()))
}
