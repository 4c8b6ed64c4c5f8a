//! [`DeliveryFeed`].

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use rdev_webhooks_domain::feed::{ChangePoint, Changes, Watched};
use rdev_webhooks_domain::ports::{DeliveryFeed, StoreError};
use rdev_webhooks_domain::{DeliveryId, ProjectName, Timestamp, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use crate::error::{self, DbError};
use crate::rows::delivery::delivery_rows;
use crate::rows::{micros, set};
use crate::webhooks::rows as webhook;
use crate::{SqliteStore, json};

#[async_trait]
impl DeliveryFeed for SqliteStore {
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError> {
        Ok(accepted(&mut *self.reader().await?, after, limit).await?)
    }

    /// A current write carries the time at which it began; that time is read before the changes.
    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError> {
        let complete_until = self.writer.written_until(self.clock.now());
        let (points, has_more) = changed(&mut *self.reader().await?, after, limit).await?;
        Ok(Changes { points, has_more, complete_until })
    }

    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(set_back_at(&mut *self.reader().await?).await?)
    }

    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError> {
        let now = self.clock.now();
        Ok(present(&mut *self.snapshot().await?, ids, now).await?)
    }
}

async fn accepted(
    conn: &mut SqliteConnection,
    after: DeliveryId,
    limit: u32,
) -> Result<Vec<DeliveryId>, DbError> {
    let after = after.as_uuid().as_bytes().to_vec();
    let found = sqlx::query_scalar!(
        "SELECT id FROM webhooks_deliveries WHERE id > ?1 AND claimable_at IS NOT NULL ORDER BY id LIMIT +?2",
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    let ids = found.iter().map(|id| error::uuid("deliveries", "id", id).map(DeliveryId::from_uuid));
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Returns the changes after a point, up to a limit, and whether there are more.
async fn changed(
    conn: &mut SqliteConnection,
    after: ChangePoint,
    limit: u32,
) -> Result<(Vec<ChangePoint>, bool), DbError> {
    let (at, delivery) = (micros(after.at), after.delivery.as_uuid().as_bytes().to_vec());
    let wanted = i64::from(limit) + 1;
    let mut rows = sqlx::query_file!("src/feed/changes.sql", at, delivery, wanted).fetch_all(conn).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let mut points = Vec::with_capacity(rows.len());
    for row in rows {
        let delivery = DeliveryId::from_uuid(error::uuid("deliveries", "id", &row.id)?);
        points.push(ChangePoint { at: Timestamp::from_micros(row.at), delivery });
    }
    Ok((points, has_more))
}

async fn set_back_at(conn: &mut SqliteConnection) -> Result<Option<Timestamp>, DbError> {
    let at = sqlx::query_scalar!("SELECT set_back_at FROM webhooks_clock").fetch_one(conn).await?;
    Ok(at.map(Timestamp::from_micros))
}

async fn present(
    conn: &mut SqliteConnection,
    ids: &[DeliveryId],
    now: Timestamp,
) -> Result<Vec<Watched>, DbError> {
    let ids = json::ids(ids.iter().map(DeliveryId::as_uuid))?;
    let rows = delivery_rows!(
        "FROM webhooks_deliveries AS d WHERE d.id IN (SELECT unhex(value) FROM json_each(?1))",
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let deliveries: Vec<_> = rows.iter().map(|row| row.delivery(now)).filter_map(damage::leave_out).collect();
    let webhooks: BTreeSet<WebhookId> = deliveries.iter().map(|one| one.webhook_id).collect();
    let projects = projects_of(conn, &webhooks).await?;
    let watched = deliveries.into_iter().map(|delivery| {
        let webhook_projects = projects.get(&delivery.webhook_id).cloned();
        Watched { delivery, webhook_projects }
    });
    Ok(watched.collect())
}

/// Returns the projects of webhooks, without the deleted webhooks.
async fn projects_of(
    conn: &mut SqliteConnection,
    webhooks: &BTreeSet<WebhookId>,
) -> Result<HashMap<WebhookId, BTreeSet<ProjectName>>, DbError> {
    let ids = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
    let rows = sqlx::query!(
        "SELECT id, projects FROM webhooks_webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await?;
    let read = |id: &[u8], projects: &str| {
        let id = webhook::id(id)?;
        Ok::<_, StoreError>((id, set(&webhook::row(&id), "projects", projects)?))
    };
    // A webhook whose projects cannot be read is invisible to project-scoped callers, like a deleted one.
    Ok(rows.iter().map(|row| read(&row.id, &row.projects)).filter_map(damage::leave_out).collect())
}
