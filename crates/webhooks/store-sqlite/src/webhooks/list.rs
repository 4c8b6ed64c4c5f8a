//! Reading of webhooks.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::{Access, Page, PageRequest, Webhook, WebhookFilter, WebhookId};
use sqlx::SqliteConnection;

use super::bytes;
use super::rows::{WebhookRow, webhook_rows};
use crate::error::{self, DbError};
use crate::{json, visible};

pub(super) async fn get(conn: &mut SqliteConnection, id: WebhookId) -> Result<Option<WebhookRow>, DbError> {
    let id = bytes(id);
    Ok(webhook_rows!("WHERE w.id = ?1 AND w.deleted_at IS NULL", id).fetch_optional(conn).await?)
}

pub(super) async fn list(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    access: &Access,
    filter: &WebhookFilter,
    page: PageRequest<WebhookId>,
) -> Result<Page<Webhook>, DbError> {
    let before = page.before.map(bytes);
    let patterns = filter.event_type.as_ref().map(|event_type| {
        let patterns: Vec<_> = event_type.matching_patterns().collect();
        json::rows(&patterns)
    });
    let patterns = patterns.transpose()?;
    let project = filter.project.as_ref().map(|project| project.as_str());
    let visible_to = visible::projects(access)?;
    let metadata = filter.metadata.as_map();
    let metadata = (!metadata.is_empty()).then(|| json::rows(metadata)).transpose()?;
    let ids = filter.ids.as_ref().map(|ids| json::ids(ids.iter().map(WebhookId::as_uuid))).transpose()?;
    let limit = i64::from(page.limit) + 1;
    let rows = webhook_rows!(
        "WHERE w.deleted_at IS NULL
           AND (?1 IS NULL OR w.id < ?1)
           AND (?2 IS NULL OR ?2 = (w.disabled_at IS NULL))
           AND (?3 IS NULL OR EXISTS (SELECT 1 FROM webhooks_subscriptions AS s WHERE s.webhook_id = w.id
                 AND s.pattern IN (SELECT value FROM json_each(?3))))
           AND (?4 IS NULL OR EXISTS (SELECT 1 FROM webhooks_subscriptions AS s WHERE s.webhook_id = w.id
                 AND s.project IN ('', ?4)))
           AND (?5 IS NULL OR NOT EXISTS (SELECT 1 FROM webhooks_webhook_projects AS own
                 WHERE own.webhook_id = w.id AND own.project NOT IN (SELECT value FROM json_each(?5))))
           AND (?7 IS NULL OR NOT EXISTS (SELECT 1 FROM json_each(?7) AS wanted
                 WHERE NOT EXISTS (SELECT 1 FROM json_each(w.metadata) AS own
                   WHERE own.key = wanted.key AND own.value = wanted.value)))
           AND (?8 IS NULL OR w.id IN (SELECT unhex(value) FROM json_each(?8)))
         ORDER BY w.id DESC LIMIT +?6",
        before,
        filter.enabled,
        patterns,
        project,
        visible_to,
        limit,
        metadata,
        ids
    )
    .fetch_all(conn)
    .await?;
    let id = |row: &WebhookRow| error::id_text(&row.id, WebhookId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.webhook(keyring))?)
}
