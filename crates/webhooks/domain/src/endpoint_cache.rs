//! A cache of webhooks for workers, which stores share: the secrets of each are decrypted once per version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{DeliveryTarget, WebhookId};

/// The maximum number of webhooks in the cache. Decrypting a webhook again costs little, but not nothing.
const CAPACITY: usize = 10_000;

/// The time for which an unreadable webhook is skipped.
const UNREADABLE_FOR: Duration = Duration::from_secs(60);

/// The targets that claims have needed, each of the version that was read last.
#[derive(Debug, Default)]
pub struct EndpointCache {
    entries: Mutex<HashMap<WebhookId, Entry>>,
}

#[derive(Debug)]
enum Entry {
    Readable(Arc<DeliveryTarget>),
    /// The stored row cannot be read, as when its secret was sealed with a key that the keyring lacks.
    Unreadable {
        until: Instant,
    },
}

impl EndpointCache {
    /// Returns the targets of these webhooks in these versions, and the webhooks that must be read. No other
    /// version is returned: a newer one may be of a transaction that was rolled back.
    #[must_use]
    pub fn get_all(
        &self,
        versions: &HashMap<WebhookId, u64>,
    ) -> (HashMap<WebhookId, Arc<DeliveryTarget>>, Vec<WebhookId>) {
        let (mut found, mut missing) = (HashMap::with_capacity(versions.len()), Vec::new());
        let entries = self.lock();
        for (id, version) in versions {
            match entries.get(id) {
                Some(Entry::Readable(target)) if target.version == *version => {
                    found.insert(*id, Arc::clone(target));
                }
                _ => missing.push(*id),
            }
        }
        (found, missing)
    }

    /// Returns whether a webhook is unreadable, so that a claim for it is pointless.
    #[must_use]
    pub fn is_unreadable(&self, id: WebhookId, now: Instant) -> bool {
        matches!(self.lock().get(&id), Some(Entry::Unreadable { until }) if now < *until)
    }

    /// Adds a target, which replaces the one of another version, and returns it.
    pub fn insert(&self, target: DeliveryTarget) -> Arc<DeliveryTarget> {
        let target = Arc::new(target);
        self.put(target.webhook_id, Entry::Readable(Arc::clone(&target)));
        target
    }

    /// Records that a webhook is unreadable. It is skipped for a while.
    pub fn insert_unreadable(&self, id: WebhookId, now: Instant) {
        self.put(id, Entry::Unreadable { until: now + UNREADABLE_FOR });
    }

    fn put(&self, id: WebhookId, entry: Entry) {
        let mut entries = self.lock();
        if entries.len() >= CAPACITY && !entries.contains_key(&id) {
            // The webhooks in use return at once.
            entries.clear();
        }
        entries.insert(id, entry);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::{SigningScheme, SigningSecret};
    use crate::{CustomHeaders, RetryPolicy, SigningSecrets, Timestamp};

    fn id(number: u8) -> WebhookId {
        WebhookId::from_parts(Timestamp::EPOCH, [number; 10])
    }

    fn target(number: u8, version: u64) -> DeliveryTarget {
        DeliveryTarget {
            webhook_id: id(number),
            version,
            url: "https://example.com/webhook".parse().unwrap(),
            headers: CustomHeaders::default(),
            secrets: SigningSecrets::new(SigningSecret::generate(SigningScheme::HmacSha256, [7; 32])),
            retry: RetryPolicy::default(),
            timeout: None,
            format: crate::BodyFormat::Rdev,
        }
    }

    fn get(cache: &EndpointCache, number: u8, version: u64) -> Option<Arc<DeliveryTarget>> {
        let (mut found, missing) = cache.get_all(&HashMap::from([(id(number), version)]));
        assert_eq!(found.len() + missing.len(), 1);
        found.remove(&id(number))
    }

    #[test]
    fn a_target_is_returned_in_the_requested_version_only() {
        let cache = EndpointCache::default();
        assert!(get(&cache, 1, 2).is_none());
        cache.insert(target(1, 2));
        assert!(get(&cache, 1, 1).is_none());
        assert!(get(&cache, 1, 3).is_none());
        assert_eq!(get(&cache, 1, 2).map(|target| target.version), Some(2));
        cache.insert(target(1, 3));
        assert!(get(&cache, 1, 2).is_none());
        assert!(get(&cache, 1, 3).is_some());
        assert!(get(&cache, 2, 3).is_none());
    }

    #[test]
    fn an_unreadable_webhook_is_skipped_for_a_while() {
        let (cache, now) = (EndpointCache::default(), Instant::now());
        cache.insert_unreadable(id(1), now);
        assert!(cache.is_unreadable(id(1), now + UNREADABLE_FOR / 2));
        assert!(!cache.is_unreadable(id(1), now + UNREADABLE_FOR));
        assert!(!cache.is_unreadable(id(2), now));
        assert!(get(&cache, 1, 1).is_none());
    }
}
