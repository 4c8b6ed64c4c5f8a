//! Pages of deliveries.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Access, CommandId, Delivery, DeliveryFilter, DeliveryId, DeliveryStatus, EventId, EventWalk, Page,
    PageRequest, Timestamp,
};
use sqlx::SqliteConnection;

use crate::error::{self, DbError};
use crate::events::read;
use crate::rows::delivery::{DeliveryRow, delivery_rows};
use crate::rows::micros;
use crate::{json, visible};

/// The parameters of a query for a page.
struct Bounds<'a> {
    low: Vec<u8>,
    high: Vec<u8>,
    event_type: Option<&'a str>,
    project: Option<&'a str>,
    /// The `listed_status` that is looked up.
    listed_status: Option<&'static str>,
    /// The status at `now`.
    status: Option<&'static str>,
    now: i64,
    webhook: Option<Vec<u8>>,
    /// The events, as a JSON array of ids.
    events: Option<String>,
    /// The projects of a project-scoped caller, as a JSON array.
    visible_to: Option<String>,
    limit: i64,
    /// The pattern of the last attempt's summary, and the summary that is looked up; empty for rows without one.
    pattern: Option<String>,
    last_attempt: Option<String>,
    command_id: Option<&'a str>,
    /// Whether the webhook is known to be visible. Otherwise each query reads all webhooks.
    is_visible: bool,
}

/// A query for deliveries within bounds, by the given look-up.
macro_rules! page {
    ($look_up:literal, $bounds:expr) => {
        delivery_rows!(
            "FROM webhooks_deliveries AS d "
                + $look_up
                + " AND d.id >= ?1 AND d.id < ?2 AND (?3 IS NULL OR d.event_type = ?3)
                    AND (?4 IS NULL OR d.project = ?4)
                    AND (?5 IS NULL OR d.listed_status = ?5)
                    AND (?6 IS NULL OR ?6 =
                      CASE WHEN d.status <> 'unfinished' THEN d.status
                        WHEN d.lease_expires_at > ?7 THEN 'in_flight'
                        WHEN d.attempts > 0 AND (d.\"trigger\" = 'automatic' OR d.deferred_until IS NOT NULL)
                        THEN 'retrying' ELSE 'pending' END)
                    AND (?8 IS NULL OR d.webhook_id = ?8)
                    AND (?9 IS NULL OR d.event_id IN (SELECT unhex(value) FROM json_each(?9)))
                    AND (?12 IS NULL
                      OR coalesce(d.last_attempt, iif(d.status = 'succeeded', 'automatic//200', NULL)) LIKE ?12)
                    AND (?13 IS NULL OR coalesce(d.last_attempt, '') = ?13)
                    AND (?14 IS NULL OR ?14 = (SELECT e.command_id FROM webhooks_events AS e WHERE e.id = d.event_id))
                    AND (?10 IS NULL OR (d.project IN (SELECT value FROM json_each(?10))
                      AND (?15 OR d.webhook_id IN (SELECT w.id FROM webhooks_webhooks AS w
                        WHERE NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
                          WHERE own.webhook_id = w.id
                            AND own.project NOT IN (SELECT value FROM json_each(?10)))))))
                  ORDER BY d.id DESC LIMIT +?11",
            $bounds.low,
            $bounds.high,
            $bounds.event_type,
            $bounds.project,
            $bounds.listed_status,
            $bounds.status,
            $bounds.now,
            $bounds.webhook,
            $bounds.events,
            $bounds.visible_to,
            $bounds.limit,
            $bounds.pattern,
            $bounds.last_attempt,
            $bounds.command_id,
            $bounds.is_visible
        )
    };
}

/// Returns a page of deliveries, found by the index that leaves the fewest rows to read.
pub(super) async fn list(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &DeliveryFilter,
    page: PageRequest<DeliveryId>,
    now: Timestamp,
) -> Result<Page<Delivery>, DbError> {
    let mut bounds = Bounds::new(access, filter, page, now)?;
    let rows = match along_events(conn, access, filter, page, &mut bounds).await? {
        Some(rows) => rows,
        None if filter.event.is_some() => fetch(conn, &bounds).await?,
        None => in_scope(conn, filter, bounds).await?,
    };
    let id = |row: &DeliveryRow| error::id_text(&row.id, DeliveryId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.delivery(now))?)
}

/// Returns the deliveries of a page along their events; `None` if there is no condition on events, or if deliveries
/// are found faster in another way.
async fn along_events(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &DeliveryFilter,
    page: PageRequest<DeliveryId>,
    bounds: &mut Bounds<'_>,
) -> Result<Option<Vec<DeliveryRow>>, DbError> {
    if !filter.selects_events() {
        return Ok(None);
    }
    let mut walk = EventWalk::new(page, filter.until, filter.selects_deliveries());
    while let Some(step) = walk.next() {
        let events = read::ids(conn, access, filter, step).await?;
        bounds.events = Some(json::ids(events.iter().map(EventId::as_uuid))?);
        let rows = fetch(conn, bounds).await?;
        // A row whose id cannot be read is in no list along events.
        walk.add(&events, rows.into_iter().filter_map(|row| Some((row.id().ok()?, row))));
    }
    bounds.events = None;
    Ok(walk.finish())
}

/// Returns the deliveries of a page to the webhooks of its scope: a page of each webhook, merged.
async fn in_scope(
    conn: &mut SqliteConnection,
    filter: &DeliveryFilter,
    mut bounds: Bounds<'_>,
) -> Result<Vec<DeliveryRow>, DbError> {
    let scope = match &bounds.visible_to {
        None => vec![bounds.webhook.clone()],
        Some(visible_to) => {
            let visible = visible::webhooks(conn, visible_to, filter.webhook).await?;
            bounds.is_visible = true;
            visible.into_iter().map(Some).collect()
        }
    };
    let mut rows = Vec::new();
    for webhook in scope {
        bounds.webhook = webhook;
        if !filter.last_attempt.is_none() {
            // The index has each summary in order.
            let mut before = None;
            while let Some(summary) = next_summary(conn, bounds.webhook.as_deref(), before.as_deref()).await?
            {
                if filter.last_attempt.matches_summary(&summary) {
                    bounds.last_attempt = Some(summary.clone());
                    rows.extend(fetch(conn, &bounds).await?);
                }
                before = Some(summary);
            }
            // Deliveries that succeeded by a plain attempt have none.
            if filter.last_attempt.matches_plain()
                && matches!(filter.status, None | Some(DeliveryStatus::Succeeded))
            {
                (bounds.listed_status, bounds.last_attempt) = (Some("succeeded"), Some(String::new()));
                rows.extend(fetch(conn, &bounds).await?);
                (bounds.listed_status, bounds.last_attempt) = (None, None);
            }
        } else if bounds.webhook.is_some() || filter.status.is_some() {
            // The index has each status in order.
            for status in listed_statuses(filter.status) {
                bounds.listed_status = Some(status);
                rows.extend(fetch(conn, &bounds).await?);
            }
        } else {
            rows.extend(fetch(conn, &bounds).await?);
        }
    }
    rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
    Ok(rows)
}

/// Returns the first summary of a last attempt after another, of all deliveries or of those of a webhook.
async fn next_summary(
    conn: &mut SqliteConnection,
    webhook: Option<&[u8]>,
    after: Option<&str>,
) -> Result<Option<String>, DbError> {
    let after = after.unwrap_or_default();
    let next = match webhook {
        None => {
            sqlx::query_scalar!(
                r#"SELECT last_attempt AS "last_attempt!"
                   FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_last_attempt_id
                   WHERE last_attempt > ?1 ORDER BY last_attempt LIMIT 1"#,
                after
            )
            .fetch_optional(conn)
            .await
        }
        Some(webhook) => {
            sqlx::query_scalar!(
                r#"SELECT last_attempt AS "last_attempt!"
                   FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_last_attempt_id
                   WHERE webhook_id = ?1 AND last_attempt > ?2 ORDER BY last_attempt LIMIT 1"#,
                webhook,
                after
            )
            .fetch_optional(conn)
            .await
        }
    };
    Ok(next?)
}

impl<'a> Bounds<'a> {
    fn new(
        access: &Access,
        filter: &'a DeliveryFilter,
        page: PageRequest<DeliveryId>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let bytes = |id: DeliveryId| id.as_uuid().as_bytes().to_vec();
        let until = filter.until.map(DeliveryId::floor);
        let high = [until, page.before].into_iter().flatten().min();
        Ok(Self {
            low: filter.since.map(DeliveryId::floor).map_or_else(Vec::new, bytes),
            // One byte more than an id has sorts after every id.
            high: high.map_or_else(|| vec![0xff; 17], bytes),
            event_type: filter.event_type.as_ref().map(|event_type| event_type.as_str()),
            project: filter.project.as_ref().map(|project| project.as_str()),
            listed_status: None,
            status: filter.status.map(DeliveryStatus::as_str),
            now: micros(now),
            webhook: filter.webhook.map(|id| id.as_uuid().as_bytes().to_vec()),
            events: filter.event.map(|id| json::ids([id.as_uuid()])).transpose()?,
            visible_to: visible::projects(access)?,
            limit: i64::from(page.limit) + 1,
            pattern: filter.last_attempt.pattern(),
            last_attempt: None,
            command_id: filter.command_id.as_ref().map(CommandId::as_str),
            is_visible: false,
        })
    }
}

/// Returns the values of `listed_status` that deliveries with this status have. A delivery whose lease has expired is
/// pending or retrying, and `leased` until the lease is removed.
const fn listed_statuses(status: Option<DeliveryStatus>) -> &'static [&'static str] {
    match status {
        None => &["leased", "pending", "retrying", "succeeded", "failed", "cancelled"],
        Some(DeliveryStatus::Pending) => &["leased", "pending"],
        Some(DeliveryStatus::InFlight) => &["leased"],
        Some(DeliveryStatus::Retrying) => &["leased", "retrying"],
        Some(DeliveryStatus::Succeeded) => &["succeeded"],
        Some(DeliveryStatus::Failed) => &["failed"],
        Some(DeliveryStatus::Cancelled) => &["cancelled"],
    }
}

/// Uses the index that leaves the fewest rows to read.
async fn fetch(conn: &mut SqliteConnection, bounds: &Bounds<'_>) -> Result<Vec<DeliveryRow>, DbError> {
    let is_in_index = bounds.last_attempt.as_ref().is_some_and(|summary| !summary.is_empty());
    let rows = if bounds.events.is_some() {
        page!(
            "INDEXED BY webhooks_deliveries_by_event_id
             WHERE d.event_id IN (SELECT unhex(value) FROM json_each(?9))",
            bounds
        )
        .fetch_all(conn)
        .await
    } else if bounds.webhook.is_some() && is_in_index {
        page!(
            "INDEXED BY webhooks_deliveries_by_webhook_id_last_attempt_id
             WHERE d.webhook_id = ?8 AND d.last_attempt = ?13",
            bounds
        )
        .fetch_all(conn)
        .await
    } else if is_in_index {
        page!("INDEXED BY webhooks_deliveries_by_last_attempt_id WHERE d.last_attempt = ?13", bounds)
            .fetch_all(conn)
            .await
    } else if bounds.webhook.is_some() && bounds.listed_status.is_some() {
        page!(
            "INDEXED BY webhooks_deliveries_by_webhook_id_listed_status_id
             WHERE d.webhook_id = ?8 AND d.listed_status = ?5",
            bounds
        )
        .fetch_all(conn)
        .await
    } else if bounds.listed_status.is_some() {
        page!("INDEXED BY webhooks_deliveries_by_listed_status_id WHERE d.listed_status = ?5", bounds)
            .fetch_all(conn)
            .await
    } else {
        page!("WHERE true", bounds).fetch_all(conn).await
    };
    Ok(rows?)
}
