//! Replays of the events that a webhook has no delivery of.
//!
//! The events are read in the order of their ids, whatever their type and project, and filtered here, by the domain's
//! rule: a step reads them in parts until it has enough, a bounded number in all, and keeps its place.

use rdev_webhooks_domain::replay::{COUNT_LIMIT, EVENT_SCAN_LIMIT, MissingEvents, SCAN_LIMIT, Scan};
use rdev_webhooks_domain::{EventId, Matched, Replay, ReplaySelection, builtin};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::{from_sql_time, to_u32};
use crate::error::{DbError, corrupt};

/// A part of the events, in the order of their ids.
struct Part {
    /// Those that the replay takes unless the webhook has deliveries of them.
    taken: Vec<Uuid>,
    /// The last of all; `None` if there are no more.
    last: Option<Uuid>,
    count: u32,
}

/// Counts the events that a replay would send.
pub(super) async fn count(conn: &mut PgConnection, selection: &ReplaySelection) -> Result<Matched, DbError> {
    let at = sqlx::query_scalar!(r#"SELECT rdev_webhooks.now() AS "at!""#).fetch_one(&mut *conn).await?;
    let wanted = wanted(conn, selection).await?;
    let mut after = Some(EventId::floor(selection.since).as_uuid());
    let (mut deliveries, mut scanned) = (0, 0);
    while let Some(from) = after.filter(|_| scanned < COUNT_LIMIT) {
        let part = read(conn, selection, &wanted, from, EVENT_SCAN_LIMIT).await?;
        deliveries += without_delivery(conn, selection, &part.taken).await?;
        scanned += part.count;
        after = part.last;
    }
    Ok(Matched { deliveries, is_exact: after.is_none(), at: from_sql_time(at) })
}

/// Makes the next deliveries, up to `room` of them.
pub(super) async fn scan(tx: &mut PgConnection, replay: &Replay, room: u32) -> Result<Scan, DbError> {
    let selection = &replay.selection;
    let wanted = wanted(tx, selection).await?;
    let mut after = replay.scan_cursor;
    let (mut queued, mut selected, mut scanned) = (0, 0, 0);
    while let Some(from) = after.filter(|_| selected < room && scanned < EVENT_SCAN_LIMIT) {
        let part = read(tx, selection, &wanted, from, SCAN_LIMIT).await?;
        after = part.last;
        scanned += part.count;
        if part.taken.is_empty() {
            continue;
        }
        let row = sqlx::query_file!(
            "src/replays/missing.sql",
            selection.webhook_id.as_uuid(),
            &part.taken,
            i64::from(room - selected),
            replay.id.as_uuid(),
        )
        .fetch_one(&mut *tx)
        .await?;
        queued += to_u32(row.taken);
        selected += to_u32(row.selected);
        if selected >= room {
            after = row.last_selected;
        }
    }
    Ok(Scan { queued, scan_cursor: after })
}

/// Reads the webhook's subscription as it is now.
async fn wanted(conn: &mut PgConnection, selection: &ReplaySelection) -> Result<MissingEvents, DbError> {
    let id = selection.webhook_id;
    let row = sqlx::query!("SELECT events, projects FROM rdev_webhooks.webhooks WHERE id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(MissingEvents::new(selection, Default::default(), Default::default()));
    };
    let events: Result<_, _> = row.events.iter().map(|pattern| pattern.parse()).collect();
    let projects: Result<_, _> = row.projects.iter().map(|name| name.parse()).collect();
    let events = events
        .map_err(|error: rdev_webhooks_domain::EventTypeError| corrupt("webhooks", "events", id, error))?;
    let projects = projects.map_err(|error: rdev_webhooks_domain::ProjectNameError| {
        corrupt("webhooks", "projects", id, error)
    })?;
    Ok(MissingEvents::new(selection, events, projects))
}

async fn read(
    conn: &mut PgConnection,
    selection: &ReplaySelection,
    wanted: &MissingEvents,
    after: Uuid,
    limit: u32,
) -> Result<Part, DbError> {
    let operational = builtin::OPERATIONAL.map(|(name, _)| name.to_owned());
    let rows = sqlx::query!(
        "SELECT id, event_type, project, CASE WHEN event_type = ANY($4) THEN body END AS body
         FROM rdev_webhooks.events WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3",
        after,
        EventId::floor(selection.until).as_uuid(),
        i64::from(limit),
        &operational,
    )
    .fetch_all(conn)
    .await?;
    let count = u32::try_from(rows.len()).unwrap_or(limit);
    let last = rows.last().map(|row| row.id).filter(|_| count >= limit);
    let taken = rows.into_iter().filter(|row| {
        wanted.takes(&row.event_type, row.project.as_deref(), row.body.as_deref().unwrap_or_default())
    });
    Ok(Part { taken: taken.map(|row| row.id).collect(), last, count })
}

/// Returns the number of events that the webhook has no delivery of.
async fn without_delivery(
    conn: &mut PgConnection,
    selection: &ReplaySelection,
    events: &[Uuid],
) -> Result<u64, DbError> {
    if events.is_empty() {
        return Ok(0);
    }
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM unnest($2::uuid[]) AS e(id)
           WHERE (SELECT q.id FROM rdev_webhooks.delivery_queue q
                   WHERE q.id = rdev_webhooks.delivery_id(e.id, $1)) IS NULL
               AND (SELECT d.id FROM rdev_webhooks.deliveries d
                   WHERE d.id = rdev_webhooks.delivery_id(e.id, $1)) IS NULL"#,
        selection.webhook_id.as_uuid(),
        events
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
