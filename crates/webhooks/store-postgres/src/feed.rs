//! [`DeliveryFeed`] on Postgres.

use async_trait::async_trait;
use rdev_webhooks_domain::feed::{ChangePoint, Changes, Watched};
use rdev_webhooks_domain::ports::{DeliveryFeed, StoreError};
use rdev_webhooks_domain::{DeliveryId, Timestamp};
use rdev_webhooks_store::damage;
use uuid::Uuid;

use crate::convert::{from_sql_time, to_sql_time};
use crate::error::corrupt;
use crate::pool::server::APPLICATION_NAME;
use crate::rows::{DeliveryRow, to_delivery};
use crate::store::PostgresStore;

#[async_trait]
impl DeliveryFeed for PostgresStore {
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError> {
        let found = self
            .inner
            .browse()
            .run(async |conn| {
                sqlx::query_scalar!(
                    "SELECT id FROM rdev_webhooks.delivery_queue WHERE id > $1 ORDER BY id LIMIT $2",
                    after.as_uuid(),
                    i64::from(limit)
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        Ok(found.into_iter().map(DeliveryId::from_uuid).collect())
    }

    /// A transaction's rows have the time of its beginning and appear at its end. So the store's oldest
    /// running transaction bounds the completeness. A separate statement determines it before the changes are
    /// read: every transaction that has ended by then is visible. The half second covers the moment between
    /// the time that a transaction takes and its appearance in the list. A transaction that has written
    /// nothing after twelve seconds never will: a statement that writes may take ten.
    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError> {
        let (complete_until, mut rows) = self
            .inner
            .browse()
            .run(async |conn| {
                let complete_until = sqlx::query_scalar!(
                    r#"SELECT rdev_webhooks.now() - interval '500 milliseconds' - coalesce(
                         max(pg_catalog.now() - coalesce(xact_start, pg_catalog.now() - interval '12 seconds'))
                             FILTER (WHERE backend_xid IS NOT NULL
                                 OR xact_start > pg_catalog.now() - interval '12 seconds'
                                 OR (xact_start IS NULL AND backend_xmin IS NOT NULL)),
                         interval '0') AS "until!"
                       FROM pg_catalog.pg_stat_activity
                       WHERE application_name = $1 AND datname = current_database()
                           AND pid <> pg_backend_pid()"#,
                    APPLICATION_NAME
                )
                .fetch_one(&mut **conn)
                .await?;
                let rows = sqlx::query!(
                    r#"SELECT x.at AS "at!", x.id AS "id!" FROM (
                           (SELECT d.finished_at AS at, d.id FROM rdev_webhooks.deliveries d
                           WHERE (d.finished_at, d.id) > ($1, $2)
                           ORDER BY d.finished_at, d.id LIMIT $3)
                           UNION ALL
                           (SELECT a.recorded_at, a.delivery_id FROM rdev_webhooks.attempts a
                           WHERE (a.recorded_at, a.delivery_id) > ($1, $2) AND a.failure_class IS NOT NULL
                           ORDER BY a.recorded_at, a.delivery_id LIMIT $3)
                           UNION ALL
                           (SELECT r.reopened_at, r.delivery_id FROM rdev_webhooks.reopened_deliveries r
                           WHERE (r.reopened_at, r.delivery_id) > ($1, $2)
                           ORDER BY r.reopened_at, r.delivery_id LIMIT $3)
                       ) x
                       GROUP BY x.at, x.id ORDER BY x.at, x.id LIMIT $3"#,
                    to_sql_time(after.at),
                    after.delivery.as_uuid(),
                    i64::from(limit) + 1
                )
                .fetch_all(&mut **conn)
                .await?;
                Ok((complete_until, rows))
            })
            .await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let point = |at, id| ChangePoint { at: from_sql_time(at), delivery: DeliveryId::from_uuid(id) };
        Ok(Changes {
            points: rows.into_iter().map(|row| point(row.at, row.id)).collect(),
            has_more,
            complete_until: from_sql_time(complete_until),
        })
    }

    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(DeliveryId::as_uuid).collect();
        let rows = self
            .inner
            .browse()
            .run(async |conn| {
                sqlx::query!(
                    r#"
                    SELECT x.id AS "id!", x.event_id AS "event_id!", e.event_type, e.project,
                        x.webhook_id AS "webhook_id!", x.attempts AS "attempts!", x.status AS "status!",
                        x.at AS "at!", x.reason, w.projects AS "projects?"
                    FROM (
                        SELECT q.* FROM unnest($1::uuid[]) AS g(id)
                        JOIN rdev_webhooks.queued_deliveries q ON q.id = g.id
                        UNION ALL
                        SELECT d.id, d.event_id, d.webhook_id, d.attempts, d.status, d.finished_at, d.reason
                        FROM unnest($1::uuid[]) AS g(id)
                        JOIN rdev_webhooks.deliveries d ON d.id = g.id
                    ) x
                    JOIN rdev_webhooks.events e ON e.id = x.event_id
                    LEFT JOIN rdev_webhooks.webhooks w ON w.id = x.webhook_id AND w.deleted_at IS NULL
                    "#,
                    &ids
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let watched = rows
            .into_iter()
            .map(|row| {
                let delivery = to_delivery(DeliveryRow {
                    id: row.id,
                    event_id: row.event_id,
                    event_type: row.event_type,
                    project: row.project,
                    webhook_id: row.webhook_id,
                    attempts: row.attempts,
                    status: row.status,
                    at: row.at,
                    reason: row.reason,
                })?;
                let unreadable = |error| corrupt("webhooks", "projects", delivery.webhook_id, error);
                let projects = row
                    .projects
                    .map(|projects| projects.iter().map(|project| project.parse()).collect::<Result<_, _>>());
                let webhook_projects = projects
                    .transpose()
                    .map_err(|error: rdev_webhooks_domain::ProjectNameError| unreadable(error))?;
                Ok(Watched { delivery, webhook_projects })
            })
            .filter_map(damage::leave_out);
        Ok(watched.collect())
    }
}
