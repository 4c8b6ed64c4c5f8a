//! Replays of the events that a webhook has no delivery of.
//!
//! The events are read in the order of their ids, whatever their type and project, and filtered here, by the domain's
//! rule: a step reads them in parts until it has enough, a bounded number in all, and keeps its place.

use std::collections::HashSet;

use rdev_webhooks_domain::replay::{COUNT_LIMIT, EVENT_SCAN_LIMIT, MissingEvents, SCAN_LIMIT, Scan};
use rdev_webhooks_domain::{DeliveryId, EventId, Matched, Replay, ReplaySelection, Timestamp, builtin};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::advance::track;
use super::bytes_of_webhook;
use crate::error::{self, DbError, Row};
use crate::events::publish::deliver;
use crate::json;
use crate::rows::set;

/// A part of the events, in the order of their ids.
struct Part {
    /// Those that the webhook takes and has no delivery of.
    missing: Vec<EventId>,
    /// The last of all; `None` if there are no more.
    last: Option<Uuid>,
    count: u32,
}

/// Counts the events that a replay would send.
pub(super) async fn count(
    conn: &mut SqliteConnection,
    selection: &ReplaySelection,
    now: Timestamp,
) -> Result<Matched, DbError> {
    let wanted = wanted(conn, selection).await?;
    let mut after = Some(EventId::floor(selection.since).as_uuid());
    let (mut deliveries, mut scanned) = (0, 0);
    while let Some(from) = after.filter(|_| scanned < COUNT_LIMIT) {
        let part = read(conn, selection, &wanted, from, EVENT_SCAN_LIMIT).await?;
        deliveries += part.missing.len() as u64;
        scanned += part.count;
        after = part.last;
    }
    Ok(Matched { deliveries, is_exact: after.is_none(), at: now })
}

/// Makes the next deliveries, up to `room` of them.
pub(super) async fn take(
    conn: &mut SqliteConnection,
    replay: &Replay,
    room: u32,
    now: Timestamp,
) -> Result<Scan, DbError> {
    let selection = &replay.selection;
    let wanted = wanted(conn, selection).await?;
    let limit = usize::try_from(room).unwrap_or(usize::MAX);
    let mut after = replay.scan_cursor;
    let (mut missing, mut scanned) = (Vec::new(), 0);
    while let Some(from) = after.filter(|_| missing.len() < limit && scanned < EVENT_SCAN_LIMIT) {
        let part = read(conn, selection, &wanted, from, SCAN_LIMIT).await?;
        after = part.last;
        scanned += part.count;
        missing.extend(part.missing);
    }
    if missing.len() >= limit {
        missing.truncate(limit);
        after = missing.last().map(EventId::as_uuid);
    }
    // There are no more than `room`.
    let queued = u32::try_from(missing.len()).unwrap_or(room);
    if queued > 0 {
        let webhook = selection.webhook_id;
        deliver(conn, webhook, &missing, now).await?;
        let ids = json::ids(missing.iter().map(|event| DeliveryId::derive(*event, webhook).as_uuid()))?;
        track(conn, replay.id, &ids, now).await?;
    }
    Ok(Scan { queued, scan_cursor: after })
}

/// Reads the webhook's subscription as it is now.
async fn wanted(conn: &mut SqliteConnection, selection: &ReplaySelection) -> Result<MissingEvents, DbError> {
    let id = bytes_of_webhook(selection.webhook_id);
    let found = sqlx::query!("SELECT events, projects FROM webhooks_webhooks WHERE id = ?1", id)
        .fetch_optional(conn)
        .await?;
    let Some(found) = found else {
        return Ok(MissingEvents::new(selection, Default::default(), Default::default()));
    };
    let place = Row { table: "webhooks", id: &selection.webhook_id };
    let events = set(&place, "events", &found.events)?;
    Ok(MissingEvents::new(selection, events, set(&place, "projects", &found.projects)?))
}

async fn read(
    conn: &mut SqliteConnection,
    selection: &ReplaySelection,
    wanted: &MissingEvents,
    after: Uuid,
    limit: u32,
) -> Result<Part, DbError> {
    let after = after.as_bytes().to_vec();
    let until = EventId::floor(selection.until).as_uuid().as_bytes().to_vec();
    let operational = json::rows(&builtin::OPERATIONAL.map(|(name, _)| name))?;
    let rows = sqlx::query!(
        r#"SELECT id, event_type, project,
             CASE WHEN event_type IN (SELECT value FROM json_each(?4)) THEN body END AS "body: Vec<u8>"
           FROM webhooks_events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT +?3"#,
        after,
        until,
        limit,
        operational
    )
    .fetch_all(&mut *conn)
    .await?;
    let count = u32::try_from(rows.len()).unwrap_or(limit);
    let last = rows.last().filter(|_| count >= limit);
    let last = last.map(|row| error::uuid("events", "id", &row.id)).transpose()?;
    let mut missing = Vec::new();
    for row in &rows {
        if wanted.takes(&row.event_type, row.project.as_deref(), row.body.as_deref().unwrap_or_default()) {
            missing.push(error::uuid("events", "id", &row.id).map(EventId::from_uuid)?);
        }
    }
    let delivered = delivered(conn, selection, &missing).await?;
    missing.retain(|event| !delivered.contains(&DeliveryId::derive(*event, selection.webhook_id)));
    Ok(Part { missing, last, count })
}

/// Returns the deliveries of these events to the webhook.
async fn delivered(
    conn: &mut SqliteConnection,
    selection: &ReplaySelection,
    events: &[EventId],
) -> Result<HashSet<DeliveryId>, DbError> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    let ids = events.iter().map(|event| DeliveryId::derive(*event, selection.webhook_id).as_uuid());
    let ids = json::ids(ids)?;
    let found = sqlx::query_scalar!(
        "SELECT id FROM webhooks_deliveries WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        ids
    )
    .fetch_all(conn)
    .await?;
    let ids = found.iter().map(|id| error::uuid("deliveries", "id", id).map(DeliveryId::from_uuid));
    Ok(ids.collect::<Result<_, _>>()?)
}
