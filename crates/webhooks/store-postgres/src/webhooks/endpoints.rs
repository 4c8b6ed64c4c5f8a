//! The webhooks of a claim, from the cache or the database.

use std::collections::HashMap;
use std::sync::Arc;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryTarget, WebhookId};
use tokio::time::Instant;

use crate::error::describe;
use crate::store::Inner;
use crate::webhooks::rows::{TargetRow, to_target};

/// Returns the targets of these webhooks, of these versions or newer ones; one query reads those that are not
/// cached in these versions. Omits an unreadable webhook and logs its error, so that the others are unaffected.
pub(crate) async fn load(
    store: &Inner,
    versions: &HashMap<WebhookId, u64>,
) -> Result<HashMap<WebhookId, Arc<DeliveryTarget>>, StoreError> {
    let (mut found, missing) = store.endpoints.get_all(versions);
    if missing.is_empty() {
        return Ok(found);
    }
    let missing: Vec<_> = missing.iter().map(WebhookId::as_uuid).collect();
    let rows = store
        .claim()
        .run(async |conn| {
            sqlx::query_as!(
                TargetRow,
                "SELECT w.id, w.version, w.url, w.retry, w.timeout_ns, w.headers, w.secret,
                     w.previous_secret, w.previous_secret_until, w.format
                 FROM unnest($1::uuid[]) AS input(id)
                 JOIN rdev_webhooks.webhooks w ON w.id = input.id",
                &missing
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    for row in rows {
        let id = WebhookId::from_uuid(row.id);
        match to_target(&store.keyring, row) {
            Ok(target) => {
                found.insert(id, store.endpoints.insert(target));
            }
            Err(error) => {
                tracing::error!(webhook = %id, error = %describe(&error), "webhook unreadable; its deliveries cannot be sent");
                store.endpoints.insert_unreadable(id, Instant::now().into_std());
            }
        }
    }
    Ok(found)
}
