//! The webhooks that operational events are about.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{AffectedWebhook, Timestamp, WebhookId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::from_sql_time;

/// Returns the webhooks that events are about, without deleted ones, and the transaction's time.
pub(crate) async fn affected(
    tx: &mut PgConnection,
    ids: Vec<Uuid>,
) -> Result<(BTreeMap<Uuid, AffectedWebhook>, Timestamp), sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.id AS "id?", w.url AS "url?", w.projects AS "projects?", t.now AS "now!"
           FROM (SELECT rdev_webhooks.now() AS now) t LEFT JOIN rdev_webhooks.webhooks w
               ON w.id = ANY($1) AND w.deleted_at IS NULL"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    let mut webhooks = BTreeMap::new();
    let mut now = Timestamp::EPOCH;
    for row in rows {
        now = from_sql_time(row.now);
        if let (Some(id), Some(url), Some(projects)) = (row.id, row.url, row.projects) {
            // An unreadable webhook is reported too.
            let projects: Result<_, _> = projects.iter().map(|name| name.parse()).collect();
            let webhook = AffectedWebhook::new(WebhookId::from_uuid(id), &url, projects.unwrap_or_default());
            webhooks.insert(id, webhook);
        }
    }
    Ok((webhooks, now))
}
