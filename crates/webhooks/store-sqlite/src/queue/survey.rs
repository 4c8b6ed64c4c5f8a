//! Statistics of the whole queue.

use rdev_webhooks_domain::{Circuit, QueueStats, Timestamp};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use crate::error::{DbError, Row};
use crate::rows::micros;
use crate::webhooks::rows as webhook;

/// Returns the queue's statistics: a count by the index, and one step of the index for each webhook with
/// unfinished deliveries.
pub(super) async fn survey(conn: &mut SqliteConnection, now: Timestamp) -> Result<QueueStats, DbError> {
    let most = i64::try_from(QueueStats::MAX_COUNT).unwrap_or(i64::MAX);
    let now_us = micros(now);
    let found = sqlx::query_file!("src/queue/survey.sql", most, now_us).fetch_one(&mut *conn).await?;

    let limit = QueueStats::MAX_CIRCUITS;
    let rows = sqlx::query!(
        r#"SELECT webhook_id, open_until AS "open_until!" FROM webhooks_endpoint_health
           WHERE open_count > 0 ORDER BY webhook_id LIMIT +?1"#,
        limit
    )
    .fetch_all(conn)
    .await?;
    let mut circuits = Vec::with_capacity(rows.len());
    for row in rows {
        let until = Timestamp::from_micros(row.open_until);
        let circuit = if until > now { Circuit::Open { until } } else { Circuit::HalfOpen };
        circuits.extend(damage::leave_out(webhook::id(&row.webhook_id)).map(|id| (id, circuit)));
    }
    let place = Row { table: "deliveries", id: &"the queue" };
    Ok(QueueStats {
        unfinished: place.number("count", found.unfinished)?,
        oldest_due: found.oldest_due_at.map(|at| now.since(Timestamp::from_micros(at))),
        circuits,
    })
}
