//! [`DeliveryFeed`].

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use rdev_webhooks_domain::feed::{ChangePoint, Changes, Watched};
use rdev_webhooks_domain::ports::{DeliveryFeed, StoreError};
use rdev_webhooks_domain::{DeliveryId, ProjectName, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use crate::error;
use crate::rows::delivery::delivery_rows;
use crate::rows::{micros, set, webhook};
use crate::{SqliteStore, damage, json};

#[async_trait]
impl DeliveryFeed for SqliteStore {
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError> {
        let after = after.as_uuid().as_bytes().to_vec();
        let found = sqlx::query_scalar!(
            "SELECT id FROM webhooks_deliveries WHERE id > ?1 AND claimable_at IS NOT NULL ORDER BY id LIMIT ?2",
            after,
            limit
        )
        .fetch_all(&self.readers)
        .await
        .map_err(error::database)?;
        found.iter().map(|id| error::uuid("deliveries", "id", id).map(DeliveryId::from_uuid)).collect()
    }

    /// A current write carries the time at which it began; that time is read before the changes.
    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError> {
        let complete_until = self.writer.written_until(self.clock.now());
        let (at, delivery) = (micros(after.at), after.delivery.as_uuid().as_bytes().to_vec());
        let wanted = i64::from(limit) + 1;
        let mut rows = sqlx::query!(
            r#"SELECT at AS "at!: i64", id AS "id!: Vec<u8>" FROM (
                 SELECT * FROM (SELECT finished_at AS at, id
                   FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_finished_at_id
                   WHERE finished_at IS NOT NULL AND (finished_at, id) > (?1, ?2)
                   ORDER BY finished_at, id LIMIT ?3)
                 UNION
                 SELECT * FROM (SELECT recorded_at, delivery_id
                   FROM webhooks_attempts INDEXED BY webhooks_attempts_by_recorded_at_delivery_id
                   WHERE failure_class IS NOT NULL AND (recorded_at, delivery_id) > (?1, ?2)
                   ORDER BY recorded_at, delivery_id LIMIT ?3)
                 UNION
                 SELECT * FROM (SELECT reopened_at, delivery_id
                   FROM webhooks_reopened_deliveries
                     INDEXED BY webhooks_reopened_deliveries_by_reopened_at_delivery_id
                   WHERE (reopened_at, delivery_id) > (?1, ?2) ORDER BY reopened_at, delivery_id LIMIT ?3))
               ORDER BY at, id LIMIT ?3"#,
            at,
            delivery,
            wanted
        )
        .fetch_all(&self.readers)
        .await
        .map_err(error::database)?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let mut points = Vec::with_capacity(rows.len());
        for row in rows {
            let delivery = DeliveryId::from_uuid(error::uuid("deliveries", "id", &row.id)?);
            points.push(ChangePoint { at: Timestamp::from_micros(row.at), delivery });
        }
        Ok(Changes { points, has_more, complete_until })
    }

    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar!("SELECT set_back_at FROM webhooks_clock")
            .fetch_one(&self.readers)
            .await
            .map_err(error::database)?;
        Ok(at.map(Timestamp::from_micros))
    }

    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        let now = self.clock.now();
        let ids = json::ids(ids.iter().map(DeliveryId::as_uuid))?;
        let mut snapshot = self.snapshot().await?;
        let rows = delivery_rows!(
            "FROM webhooks_deliveries AS d WHERE d.id IN (SELECT unhex(value) FROM json_each(?1))",
            ids
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(error::database)?;
        let deliveries: Vec<_> =
            rows.iter().map(|row| row.delivery(now)).filter_map(damage::leave_out).collect();
        let webhooks: BTreeSet<WebhookId> = deliveries.iter().map(|one| one.webhook_id).collect();
        let projects = projects_of(&mut snapshot, &webhooks).await?;
        let watched = deliveries.into_iter().map(|delivery| {
            let webhook_projects = projects.get(&delivery.webhook_id).cloned();
            Watched { delivery, webhook_projects }
        });
        Ok(watched.collect())
    }
}

/// Records, for watchers, that finished deliveries are put back into the queue.
pub(crate) async fn tell_reopened(
    conn: &mut SqliteConnection,
    ids: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let at = micros(now);
    sqlx::query!(
        "INSERT INTO webhooks_reopened_deliveries (reopened_at, delivery_id)
         SELECT ?1, unhex(value) FROM json_each(?2)",
        at,
        ids
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}

/// Returns the projects of webhooks, without the deleted webhooks.
async fn projects_of(
    conn: &mut SqliteConnection,
    webhooks: &BTreeSet<WebhookId>,
) -> Result<HashMap<WebhookId, BTreeSet<ProjectName>>, StoreError> {
    let ids = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
    let rows = sqlx::query!(
        "SELECT id, projects FROM webhooks_webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await
    .map_err(error::database)?;
    let read = |id: &[u8], projects: &str| {
        let id = webhook::id(id)?;
        Ok::<_, StoreError>((id, set(&webhook::row(&id), "projects", projects)?))
    };
    // A webhook whose projects cannot be read is invisible to project-scoped callers, like a deleted one.
    Ok(rows.iter().map(|row| read(&row.id, &row.projects)).filter_map(damage::leave_out).collect())
}
