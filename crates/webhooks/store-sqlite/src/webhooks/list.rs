//! Reading of webhooks.

use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::DisabledWebhook;
use rdev_webhooks_domain::{
    Access, DisabledReason, Page, PageRequest, Timestamp, Webhook, WebhookFilter, WebhookId,
};
use sqlx::SqliteConnection;

use super::bytes;
use super::rows::{DisabledRow, WebhookRow, webhook_rows};
use crate::error::{self, DbError};
use crate::rows::micros;
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
         ORDER BY w.id DESC LIMIT ?6",
        before,
        filter.enabled,
        patterns,
        project,
        visible_to,
        limit
    )
    .fetch_all(conn)
    .await?;
    let id = |row: &WebhookRow| error::id_text(&row.id, WebhookId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.webhook(keyring))?)
}

/// Returns webhooks that were disabled for these reasons, in the order of their disabling.
pub(super) async fn disabled(
    conn: &mut SqliteConnection,
    reasons: &[DisabledReason],
    since: Timestamp,
    after: Option<(WebhookId, Timestamp)>,
    limit: u32,
) -> Result<Vec<DisabledWebhook>, DbError> {
    let since = micros(since);
    let reasons = json::rows(&reasons.iter().map(|reason| reason.as_str()).collect::<Vec<_>>())?;
    // The first page starts before everything.
    let (after_at, after_id) =
        after.map_or_else(|| (i64::MIN, Vec::new()), |(id, at)| (micros(at), bytes(id)));
    let found = sqlx::query_as!(
        DisabledRow,
        r#"SELECT w.id, w.projects, w.disabled_reason AS "reason!", w.disabled_at AS "disabled_at!",
             (SELECT h.failing_since FROM webhooks_endpoint_health AS h WHERE h.webhook_id = w.id) AS failing_since
           FROM webhooks_webhooks AS w INDEXED BY webhooks_webhooks_by_disabled_at_id
           WHERE w.disabled_at IS NOT NULL AND w.deleted_at IS NULL AND w.disabled_at >= ?1
             AND w.disabled_reason IN (SELECT value FROM json_each(?5))
             AND (w.disabled_at, w.id) > (?2, ?3)
           ORDER BY w.disabled_at, w.id LIMIT ?4"#,
        since,
        after_at,
        after_id,
        limit,
        reasons
    )
    .fetch_all(conn)
    .await?;
    Ok(found.iter().map(DisabledRow::webhook).collect::<Result<_, _>>()?)
}
