//! The cache of webhooks for workers: each is decrypted once per version, and shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryTarget, WebhookId};
use tokio::time::Instant;

use crate::connect::Inner;
use crate::error::describe;
use crate::webhook_rows::{TargetRow, to_target};

/// Maximum number of webhooks in the cache. Decrypting a webhook again costs little, but not nothing.
const MOST: usize = 10_000;

/// The time for which an unreadable webhook is skipped.
const UNREADABLE_FOR: Duration = Duration::from_secs(60);

/// The cached targets, each of the newest version that was requested.
#[derive(Debug, Default)]
pub(crate) struct TargetCache {
    known: Mutex<HashMap<WebhookId, Known>>,
}

#[derive(Debug)]
enum Known {
    Readable(Arc<DeliveryTarget>),
    /// The stored row cannot be read: its secret was sealed with a key that the keyring lacks.
    Unreadable {
        until: Instant,
    },
}

impl TargetCache {
    /// Returns whether a webhook is unreadable, so that a claim for it is pointless.
    pub(crate) fn is_unreadable(&self, id: WebhookId) -> bool {
        matches!(self.lock().get(&id), Some(Known::Unreadable { until }) if Instant::now() < *until)
    }

    fn get(&self, id: WebhookId, version: u64) -> Option<Arc<DeliveryTarget>> {
        match self.lock().get(&id)? {
            // The next attempt gets a version newer than the claim's anyway.
            Known::Readable(target) if target.version >= version => Some(Arc::clone(target)),
            _ => None,
        }
    }

    fn put(&self, id: WebhookId, entry: Known) {
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(&id) {
            // The webhooks in use return at once.
            known.clear();
        }
        known.insert(id, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
                 FROM unnest($1::uuid[]) AS wanted(id)
                 JOIN rdev_webhooks.webhooks w ON w.id = wanted.id",
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
                store.targets.put(id, Known::Readable(Arc::clone(&target)));
                targets.insert(id, target);
            }
            Err(error) => {
                tracing::error!(webhook = %id, error = %describe(&error), "webhook unreadable; its deliveries cannot be sent");
                let until = Instant::now() + UNREADABLE_FOR;
                store.targets.put(id, Known::Unreadable { until });
            }
        }
    }
    Ok(targets)
}
