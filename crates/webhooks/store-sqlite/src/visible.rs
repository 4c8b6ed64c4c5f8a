//! What a caller sees. There is only one writer, so that before a change the result holds until the change is
//! made.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Access, DeliveryId, WebhookId};
use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::json;
use crate::rows::delivery::{DeliveryRow, delivery_rows};

/// Returns the projects of a project-scoped caller, as a parameter.
pub(crate) fn projects(access: &Access) -> Result<Option<String>, StoreError> {
    access.projects.as_ref().map(json::projects).transpose()
}

/// Returns whether the caller sees a webhook.
pub(crate) async fn webhook(
    conn: &mut SqliteConnection,
    access: &Access,
    id: &[u8],
) -> Result<bool, DbError> {
    let Some(projects) = projects(access)? else {
        return Ok(true);
    };
    let found = sqlx::query_scalar!(
        "SELECT count(*) FROM webhooks_webhooks AS w
         WHERE w.id = ?1 AND NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
           WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?2)))",
        id,
        projects
    )
    .fetch_one(conn)
    .await?;
    Ok(found > 0)
}

/// Returns the webhooks that a caller with these projects sees, or the given one of them.
pub(crate) async fn webhooks(
    conn: &mut SqliteConnection,
    visible_to: &str,
    one: Option<WebhookId>,
) -> Result<Vec<Vec<u8>>, DbError> {
    let one = one.map(|id| id.as_uuid().as_bytes().to_vec());
    let found = sqlx::query_scalar!(
        "SELECT w.id FROM webhooks_webhooks AS w
         WHERE (?2 IS NULL OR w.id = ?2) AND NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
           WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?1)))",
        visible_to,
        one
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Returns a delivery, if it exists and the caller sees it.
pub(crate) async fn delivery(
    conn: &mut SqliteConnection,
    access: &Access,
    id: DeliveryId,
) -> Result<Option<DeliveryRow>, DbError> {
    let id = id.as_uuid().as_bytes().to_vec();
    let row = delivery_rows!("FROM webhooks_deliveries AS d WHERE d.id = ?1", id)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let Some(projects) = &access.projects else {
        return Ok(Some(row));
    };
    let is_of_theirs = projects.iter().any(|project| row.project.as_deref() == Some(project.as_str()));
    let is_visible = is_of_theirs && webhook(conn, access, &row.webhook_id).await?;
    Ok(is_visible.then_some(row))
}
