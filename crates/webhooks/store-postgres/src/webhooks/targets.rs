//! The webhooks of a claim, from the cache or the database.

use std::collections::HashMap;
use std::sync::Arc;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryTarget, WebhookId};

use crate::error::describe;
use crate::store::Inner;
use crate::webhooks::rows::{TargetRow, to_target};

/// Returns the targets of these webhooks, of these versions or newer ones; one query reads those that are not
/// cached. Omits an unreadable webhook and logs its error, so that the others are unaffected.
pub(crate) async fn load(
    store: &Inner,
    wanted: &HashMap<WebhookId, u64>,
) -> Result<HashMap<WebhookId, Arc<DeliveryTarget>>, StoreError> {
    let mut targets = HashMap::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for (id, version) in wanted {
        match store.targets.get(*id, *version) {
            Some(target) => {
                targets.insert(*id, target);
            }
            None => missing.push(id.as_uuid()),
        }
    }
    if missing.is_empty() {
        return Ok(targets);
    }
    let rows = store
        .claim()
        .run(async |conn| {
            sqlx::query_as!(
                TargetRow,
                "SELECT w.id, w.version, w.url, w.retry, w.timeout_ns, w.headers, w.secret,
                     w.previous_secret, w.previous_secret_until
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
                let target = Arc::new(target);
                store.targets.put(id, Arc::clone(&target));
                targets.insert(id, target);
            }
            Err(error) => {
                tracing::error!(webhook = %id, error = %describe(&error), "webhook unreadable; its deliveries cannot be sent");
                store.targets.put_unreadable(id);
            }
        }
    }
    Ok(targets)
}
