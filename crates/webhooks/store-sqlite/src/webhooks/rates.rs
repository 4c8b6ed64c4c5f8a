//! The spent rates of webhooks, as claims record them in `webhooks_shared_limits`.

use rdev_webhooks_domain::{Timestamp, WebhookId};
use sqlx::SqliteExecutor;

use crate::error::DbError;
use crate::json;

/// Returns the moments up to which the rates of webhooks are spent, in the same order.
pub(super) async fn spent(
    conn: impl SqliteExecutor<'_>,
    webhooks: &[WebhookId],
) -> Result<Vec<Option<Timestamp>>, DbError> {
    let ids = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
    let rows = sqlx::query_scalar!(
        r#"SELECT l.spent_until AS "spent_until?"
           FROM json_each(?1) AS w LEFT JOIN webhooks_shared_limits AS l ON l.webhook_id = unhex(w.value)
           ORDER BY w.key"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|until| until.map(Timestamp::from_micros)).collect())
}
