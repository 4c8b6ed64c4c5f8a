//! Statistics of the whole queue.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Circuit, QueueStats, WebhookId};

use crate::convert::{from_micros, from_sql_time};
use crate::store::Inner;

/// Returns the queue's statistics: a bounded count, and one step of the queue's index for each enabled
/// webhook. The statement runs with the claims' planner settings, which keep each step an index step.
pub(super) async fn survey(store: &Inner) -> Result<QueueStats, StoreError> {
    let most = i64::try_from(QueueStats::MAX_COUNT).unwrap_or(i64::MAX);
    let totals = async |conn: &mut sqlx::PgConnection| {
        sqlx::query!(
            r#"
            SELECT
                (SELECT count(*) FROM (SELECT FROM rdev_webhooks.delivery_queue LIMIT $1) q)
                    AS "unfinished!",
                (SELECT (extract(epoch FROM rdev_webhooks.now() - min(oldest.due_at)) * 1000000)::int8
                FROM rdev_webhooks.webhooks w
                CROSS JOIN LATERAL (
                    SELECT q.due_at FROM rdev_webhooks.delivery_queue q
                    WHERE q.webhook_id = w.id AND q.wake_at IS NULL AND q.due_at <= rdev_webhooks.now()
                        AND (q.lease_expires_at IS NULL OR q.lease_expires_at <= rdev_webhooks.now())
                    ORDER BY q.due_at LIMIT 1
                ) oldest
                WHERE w.deleted_at IS NULL AND w.disabled_at IS NULL
                    AND NOT EXISTS (
                        SELECT FROM rdev_webhooks.endpoint_health h
                        WHERE h.webhook_id = w.id AND h.open_count > 0
                            AND h.open_until > rdev_webhooks.now())
                ) AS oldest_due_us
            "#,
            most
        )
        .fetch_one(&mut *conn)
        .await
    };
    let open = async |conn: &mut sqlx::PgConnection| {
        sqlx::query!(
            r#"
            SELECT webhook_id, open_until AS "open_until!",
                open_until > rdev_webhooks.now() AS "is_open!"
            FROM rdev_webhooks.endpoint_health WHERE open_count > 0 ORDER BY webhook_id LIMIT $1
            "#,
            i64::from(QueueStats::MAX_CIRCUITS)
        )
        .fetch_all(conn)
        .await
    };
    let (totals, open) =
        store.claim().run(async |conn| Ok((totals(&mut **conn).await?, open(&mut **conn).await?))).await?;
    let circuits = open.into_iter().map(|row| {
        let until = from_sql_time(row.open_until);
        let circuit = if row.is_open { Circuit::Open { until } } else { Circuit::HalfOpen };
        (WebhookId::from_uuid(row.webhook_id), circuit)
    });
    Ok(QueueStats {
        unfinished: u64::try_from(totals.unfinished).unwrap_or(0),
        oldest_due: totals.oldest_due_us.map(from_micros),
        circuits: circuits.collect(),
    })
}
