//! The cache of webhooks for workers: each is decrypted once per version, and shared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::{DeliveryTarget, WebhookId};
use tokio::time::Instant;

/// Maximum number of webhooks in the cache. Decrypting a webhook again costs little, but not nothing.
const MAX_WEBHOOKS: usize = 10_000;

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

    /// Returns a webhook of this version or a newer one.
    pub(super) fn get(&self, id: WebhookId, version: u64) -> Option<Arc<DeliveryTarget>> {
        match self.lock().get(&id)? {
            // The next attempt gets a version newer than the claim's anyway.
            Known::Readable(target) if target.version >= version => Some(Arc::clone(target)),
            _ => None,
        }
    }

    /// Records a readable webhook.
    pub(super) fn put(&self, id: WebhookId, target: Arc<DeliveryTarget>) {
        self.insert(id, Known::Readable(target));
    }

    /// Records that a webhook cannot be read, for a while.
    pub(super) fn put_unreadable(&self, id: WebhookId) {
        self.insert(id, Known::Unreadable { until: Instant::now() + UNREADABLE_FOR });
    }

    fn insert(&self, id: WebhookId, entry: Known) {
        let mut known = self.lock();
        if known.len() >= MAX_WEBHOOKS && !known.contains_key(&id) {
            // The webhooks in use return at once.
            known.clear();
        }
        known.insert(id, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
