//! The webhooks that operational events are about.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{AffectedWebhook, WebhookId};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::json;
use crate::rows::set;

/// Returns the webhooks that operational events are about, without deleted ones.
pub(crate) async fn affected(
    conn: &mut SqliteConnection,
    ids: impl IntoIterator<Item = WebhookId>,
) -> Result<BTreeMap<WebhookId, AffectedWebhook>, DbError> {
    let ids = json::ids(ids.into_iter().map(|id| id.as_uuid()))?;
    let rows = sqlx::query!(
        "SELECT id, url, projects FROM webhooks_webhooks
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND deleted_at IS NULL",
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut webhooks = BTreeMap::new();
    for row in rows {
        let id = error::uuid("webhooks", "id", &row.id).map(WebhookId::from_uuid)?;
        // An unreadable webhook is reported too.
        let projects =
            set(&Row { table: "webhooks", id: &id }, "projects", &row.projects).unwrap_or_default();
        webhooks.insert(id, AffectedWebhook::new(id, &row.url, projects));
    }
    Ok(webhooks)
}
