//! A cache of recently read API keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_core::{ApiKeyId, StoreError};
use tokio::time::Instant;

use crate::ports::ApiKeyRepository;
use crate::{ApiKey, ApiKeyHash};

/// The lifetime of a cache entry.
const ENTRY_TTL: Duration = Duration::from_secs(1);
/// The maximum number of entries, unknown keys included.
const MAX_ENTRIES: usize = 10_000;
/// The number of keys that may be read at the same time.
const SHARDS: usize = 64;

/// A cache of keys by their hashes. It holds unknown hashes too, so that a client that keeps using a
/// deleted key causes no load.
pub(super) struct Cache {
    entries: Mutex<Entries>,
    /// Held while a key is read: of concurrent requests with the same key, one reads it.
    shards: [tokio::sync::Mutex<()>; SHARDS],
}

#[derive(Default)]
struct Entries {
    by_hash: HashMap<ApiKeyHash, Entry>,
    /// The number of deletions. A key that was read during a deletion may be outdated, and is not cached.
    deletions: u64,
}

struct Entry {
    key: Option<Arc<ApiKey>>,
    read_at: Instant,
}

/// The result of looking a hash up.
pub(super) struct Found {
    pub(super) key: Option<Arc<ApiKey>>,
    /// True if this look-up read it from the database.
    pub(super) is_fresh: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self { entries: Mutex::default(), shards: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl Cache {
    /// Returns the key with this hash, at most a second old.
    pub(super) async fn find(
        &self,
        repository: &dyn ApiKeyRepository,
        hash: &ApiKeyHash,
    ) -> Result<Found, StoreError> {
        if let Some(cached) = self.cached(hash) {
            return Ok(cached);
        }
        let shard = usize::from(hash.as_bytes()[0]) % SHARDS;
        let _turn = self.shards[shard].lock().await;
        if let Some(cached) = self.cached(hash) {
            return Ok(cached);
        }
        let read_at = Instant::now();
        let deletions = self.lock().deletions;
        let key = repository.find(hash).await?.map(Arc::new);
        let mut entries = self.lock();
        if entries.deletions == deletions && entries.make_room() {
            entries.by_hash.insert(*hash, Entry { key: key.clone(), read_at });
        }
        Ok(Found { key, is_fresh: true })
    }

    /// Evicts a deleted key.
    pub(super) fn evict(&self, id: ApiKeyId) {
        let mut entries = self.lock();
        entries.deletions += 1;
        entries.by_hash.retain(|_, entry| entry.key.as_ref().is_none_or(|key| key.id != id));
    }

    fn cached(&self, hash: &ApiKeyHash) -> Option<Found> {
        let entries = self.lock();
        let entry = entries.by_hash.get(hash).filter(|entry| entry.is_valid())?;
        Some(Found { key: entry.key.clone(), is_fresh: false })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Makes room for an entry, and returns whether there is room. Evicts unknown keys first: a client can
    /// create any number of them.
    fn make_room(&mut self) -> bool {
        if self.by_hash.len() >= MAX_ENTRIES {
            self.by_hash.retain(|_, entry| entry.is_valid() && entry.key.is_some());
        }
        self.by_hash.len() < MAX_ENTRIES
    }
}

impl Entry {
    fn is_valid(&self) -> bool {
        self.read_at.elapsed() < ENTRY_TTL
    }
}

#[cfg(test)]
mod tests {
    use rdev_core::{Access, Timestamp};

    use super::*;
    use crate::ApiKeySecret;

    #[tokio::test(start_paused = true)]
    async fn unknown_keys_take_limited_room_and_evict_no_known_key() {
        let mut entries = Entries::default();
        let read_at = Instant::now();
        let secret = ApiKeySecret::generate([1; 24]);
        let key = ApiKey {
            id: ApiKeyId::from_parts(Timestamp::EPOCH, [1; 10]),
            name: None,
            hint: secret.hint(),
            access: Arc::new(Access::administrator()),
            created_at: Timestamp::EPOCH,
            expires_at: None,
            last_used_at: None,
        };
        entries.by_hash.insert(secret.hash(), Entry { key: Some(Arc::new(key)), read_at });
        for unknown in 0..3 * MAX_ENTRIES {
            assert!(entries.make_room());
            let hash = ApiKeyHash::of(&unknown.to_le_bytes());
            entries.by_hash.insert(hash, Entry { key: None, read_at });
            assert!(entries.by_hash.len() <= MAX_ENTRIES);
        }
        assert!(entries.by_hash.contains_key(&secret.hash()));
    }
}
