//! Pages of deliveries.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Access, Delivery, DeliveryFilter, DeliveryId, DeliveryStatus, Page, PageRequest, Timestamp,
};
use sqlx::SqliteConnection;

use crate::error::{self, DbError};
use crate::rows::delivery::{DeliveryRow, UNFINISHED, delivery_rows};
use crate::rows::micros;
use crate::visible;

/// The parameters of a query for a page.
struct Bounds<'a> {
    low: Vec<u8>,
    high: Vec<u8>,
    event_type: Option<&'a str>,
    project: Option<&'a str>,
    /// The stored status.
    status: Option<&'static str>,
    /// The state of an unfinished delivery at `now`.
    phase: Option<&'static str>,
    now: i64,
    webhook: Option<Vec<u8>>,
    event: Option<Vec<u8>>,
    /// The projects of a project-scoped caller, as a JSON array.
    visible_to: Option<String>,
    limit: i64,
}

/// A query for deliveries within bounds, by the given look-up.
macro_rules! page {
    ($look_up:literal, $bounds:expr) => {
        delivery_rows!(
            "FROM webhooks_deliveries AS d "
                + $look_up
                + " AND d.id >= ?1 AND d.id < ?2 AND (?3 IS NULL OR d.event_type = ?3)
                    AND (?4 IS NULL OR d.project = ?4)
                    AND (?5 IS NULL OR d.status = ?5)
                    AND (?6 IS NULL OR ?6 =
                      CASE WHEN d.lease_expires_at > ?7 THEN 'in_flight'
                        WHEN d.attempts > 0 AND (d.\"trigger\" = 'automatic' OR d.deferred_until IS NOT NULL)
                        THEN 'retrying' ELSE 'pending' END)
                    AND (?8 IS NULL OR d.webhook_id = ?8) AND (?9 IS NULL OR d.event_id = ?9)
                    AND (?10 IS NULL OR (d.project IN (SELECT value FROM json_each(?10))
                      AND d.webhook_id IN (SELECT w.id FROM webhooks_webhooks AS w
                        WHERE NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
                          WHERE own.webhook_id = w.id
                            AND own.project NOT IN (SELECT value FROM json_each(?10))))))
                  ORDER BY d.id DESC LIMIT ?11",
            $bounds.low,
            $bounds.high,
            $bounds.event_type,
            $bounds.project,
            $bounds.status,
            $bounds.phase,
            $bounds.now,
            $bounds.webhook,
            $bounds.event,
            $bounds.visible_to,
            $bounds.limit
        )
    };
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &DeliveryFilter,
    page: PageRequest<DeliveryId>,
    now: Timestamp,
) -> Result<Page<Delivery>, DbError> {
    let mut bounds = Bounds::new(access, filter, page, now)?;
    let rows = match (&bounds.event, &bounds.webhook, bounds.status) {
        (None, Some(_), None) => {
            // The index has each status of a webhook in order: take a page of each and merge them.
            let mut rows = Vec::new();
            for status in [UNFINISHED, "succeeded", "failed", "cancelled"] {
                bounds.status = Some(status);
                rows.extend(fetch(&mut *conn, &bounds).await?);
            }
            rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
            rows
        }
        _ => fetch(&mut *conn, &bounds).await?,
    };
    let id = |row: &DeliveryRow| error::id_text(&row.id, DeliveryId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.delivery(now))?)
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
        let phase = filter.status.filter(|status| is_unfinished(*status)).map(DeliveryStatus::as_str);
        Ok(Self {
            low: filter.since.map(DeliveryId::floor).map_or_else(Vec::new, bytes),
            // One byte more than an id has sorts after every id.
            high: high.map_or_else(|| vec![0xff; 17], bytes),
            event_type: filter.event_type.as_ref().map(|event_type| event_type.as_str()),
            project: filter.project.as_ref().map(|project| project.as_str()),
            status: filter.status.map(|status| phase.map_or(status.as_str(), |_| UNFINISHED)),
            phase,
            now: micros(now),
            webhook: filter.webhook.map(|id| id.as_uuid().as_bytes().to_vec()),
            event: filter.event.map(|id| id.as_uuid().as_bytes().to_vec()),
            visible_to: visible::projects(access)?,
            limit: i64::from(page.limit) + 1,
        })
    }
}

const fn is_unfinished(status: DeliveryStatus) -> bool {
    matches!(status, DeliveryStatus::Pending | DeliveryStatus::InFlight | DeliveryStatus::Retrying)
}

/// Uses the index that leaves the fewest rows to read.
async fn fetch(conn: &mut SqliteConnection, bounds: &Bounds<'_>) -> Result<Vec<DeliveryRow>, DbError> {
    let rows = if bounds.event.is_some() {
        page!("INDEXED BY webhooks_deliveries_by_event_id WHERE d.event_id = ?9", bounds)
            .fetch_all(conn)
            .await
    } else if bounds.webhook.is_some() && bounds.status.is_some() {
        page!(
            "INDEXED BY webhooks_deliveries_by_webhook_id_status_id WHERE d.webhook_id = ?8 AND d.status = ?5",
            bounds
        )
        .fetch_all(conn)
        .await
    } else if bounds.status.is_some() {
        page!("INDEXED BY webhooks_deliveries_by_status_id WHERE d.status = ?5", bounds).fetch_all(conn).await
    } else {
        page!("WHERE true", bounds).fetch_all(conn).await
    };
    Ok(rows?)
}
