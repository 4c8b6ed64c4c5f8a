//! Statistics of the whole queue.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Circuit, QueueSurvey, Timestamp};
use sqlx::SqliteConnection;

use crate::damage;
use crate::error::{self, Row};
use crate::rows::{micros, webhook};

/// Returns the queue's statistics: a count by the index, and one step of the index for each webhook with
/// unfinished deliveries.
pub(super) async fn survey(conn: &mut SqliteConnection, now: Timestamp) -> Result<QueueSurvey, StoreError> {
    let most = i64::try_from(QueueSurvey::MAX_COUNT).unwrap_or(i64::MAX);
    let now_us = micros(now);
    let found = sqlx::query!(
        r#"WITH RECURSIVE queued (webhook_id) AS (
             SELECT min(webhook_id) FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             WHERE claimable_at IS NOT NULL
             UNION ALL
             SELECT (SELECT min(d.webhook_id) FROM webhooks_deliveries AS d
               INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                     WHERE d.claimable_at IS NOT NULL AND d.webhook_id > queued.webhook_id)
             FROM queued WHERE queued.webhook_id IS NOT NULL)
           SELECT
             (SELECT count(*) FROM (SELECT 1 FROM webhooks_deliveries
               INDEXED BY webhooks_deliveries_by_webhook_id_due_at
               WHERE claimable_at IS NOT NULL LIMIT ?1)) AS "unfinished!: i64",
             (SELECT min((SELECT d.due_at FROM webhooks_deliveries AS d
               INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                 WHERE d.webhook_id = queued.webhook_id AND d.due_at <= ?2 AND d.claimable_at <= ?2
                 ORDER BY d.due_at LIMIT 1))
               FROM queued CROSS JOIN webhooks_webhooks AS w ON w.id = queued.webhook_id
               WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM webhooks_endpoint_health AS h
                   WHERE h.webhook_id = w.id AND h.open_count > 0 AND h.open_until > ?2)
             ) AS "oldest_due_at: i64""#,
        most,
        now_us
    )
    .fetch_one(&mut *conn)
    .await
    .map_err(error::database)?;

    let limit = QueueSurvey::MAX_CIRCUITS;
    let rows = sqlx::query!(
        r#"SELECT webhook_id, open_until AS "open_until!" FROM webhooks_endpoint_health
           WHERE open_count > 0 ORDER BY webhook_id LIMIT ?1"#,
        limit
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    let mut circuits = Vec::with_capacity(rows.len());
    for row in rows {
        let until = Timestamp::from_micros(row.open_until);
        let circuit = if until > now { Circuit::Open { until } } else { Circuit::HalfOpen };
        circuits.extend(damage::leave_out(webhook::id(&row.webhook_id)).map(|id| (id, circuit)));
    }
    let place = Row { table: "deliveries", id: &"the queue" };
    Ok(QueueSurvey {
        unfinished: place.number("count", found.unfinished)?,
        oldest_due: found.oldest_due_at.map(|at| now.since(Timestamp::from_micros(at))),
        circuits,
    })
}
