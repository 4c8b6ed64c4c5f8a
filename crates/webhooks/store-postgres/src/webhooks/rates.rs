//! The spent rates of webhooks, as claims record them in `shared_limits`.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Timestamp, WebhookId};
use uuid::Uuid;

use crate::convert::from_sql_time;
use crate::store::Inner;

/// Returns the moments up to which the rates of webhooks are spent, in the same order.
pub(super) async fn spent(store: &Inner, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
    let wanted: Vec<Uuid> = ids.iter().map(WebhookId::as_uuid).collect();
    let rows = store
        .browse()
        .run(async |conn| {
            sqlx::query!(
                r#"SELECT l.spent_until
                FROM unnest($1::uuid[]) WITH ORDINALITY AS w(id, n)
                LEFT JOIN rdev_webhooks.shared_limits l ON l.webhook_id = w.id ORDER BY w.n"#,
                &wanted
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    Ok(rows.into_iter().map(|row| row.spent_until.map(from_sql_time)).collect())
}
