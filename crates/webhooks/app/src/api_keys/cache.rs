//! What was read of API keys a moment ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{ApiKeyRepository, StoreError};
use rdev_webhooks_domain::{ApiKey, ApiKeyHash, ApiKeyId};
use tokio::time::Instant;

/// How long what was read holds.
const LIFETIME: Duration = Duration::from_secs(1);
/// How many keys are kept, those that are not known included.
const MOST: usize = 10_000;
/// How many keys may be read at once.
const LANES: usize = 64;

/// Keys by their hashes. What is not known is kept too, so that a client that goes on with a key that was
/// deleted is no burden.
pub(super) struct Cache {
    entries: Mutex<Entries>,
    /// Of all who bring the same key at once, one reads it.
    lanes: [tokio::sync::Mutex<()>; LANES],
}

#[derive(Default)]
struct Entries {
    by_hash: HashMap<ApiKeyHash, Entry>,
    /// Rises with each deletion: what was being read meanwhile may be of before, and is not kept.
    deletions: u64,
}

struct Entry {
    key: Option<Arc<ApiKey>>,
    read_at: Instant,
}

/// What is known of a hash.
pub(super) struct Found {
    pub(super) key: Option<Arc<ApiKey>>,
    /// Whether it was read for this caller.
    pub(super) is_read_anew: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self { entries: Mutex::default(), lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()) }
    }
}

impl Cache {
    /// The key of a hash, as it was a second ago or later.
    pub(super) async fn find(
        &self,
        repository: &dyn ApiKeyRepository,
        hash: &ApiKeyHash,
    ) -> Result<Found, StoreError> {
        if let Some(known) = self.known(hash) {
            return Ok(known);
        }
        let lane = usize::from(hash.as_bytes()[0]) % LANES;
        let _turn = self.lanes[lane].lock().await;
        if let Some(known) = self.known(hash) {
            return Ok(known);
        }
        let read_at = Instant::now();
        let deletions = self.lock().deletions;
        let key = repository.find(hash).await?.map(Arc::new);
        let mut entries = self.lock();
        if entries.deletions == deletions && entries.make_room() {
            entries.by_hash.insert(*hash, Entry { key: key.clone(), read_at });
        }
        Ok(Found { key, is_read_anew: true })
    }

    /// Forgets a key that was deleted.
    pub(super) fn forget(&self, id: ApiKeyId) {
        let mut entries = self.lock();
        entries.deletions += 1;
        entries.by_hash.retain(|_, entry| entry.key.as_ref().is_none_or(|key| key.id != id));
    }

    fn known(&self, hash: &ApiKeyHash) -> Option<Found> {
        let entries = self.lock();
        let entry = entries.by_hash.get(hash).filter(|entry| entry.holds())?;
        Some(Found { key: entry.key.clone(), is_read_anew: false })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Makes room for one more, and says whether there is. Keys that are not known, of which anybody can
    /// make up as many as he likes, go first.
    fn make_room(&mut self) -> bool {
        if self.by_hash.len() >= MOST {
            self.by_hash.retain(|_, entry| entry.holds() && entry.key.is_some());
        }
        self.by_hash.len() < MOST
    }
}

impl Entry {
    fn holds(&self) -> bool {
        self.read_at.elapsed() < LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn made_up_keys_take_no_more_than_their_room_and_push_no_known_one_out() {
        let mut entries = Entries::default();
        let read_at = Instant::now();
        let key = rdev_webhooks_testkit::samples::api_key(
            &rdev_webhooks_testkit::SeededEntropy::new(1),
            rdev_webhooks_domain::Timestamp::EPOCH,
        );
        entries.by_hash.insert(key.1, Entry { key: Some(Arc::new(key.0)), read_at });
        for made_up in 0..3 * MOST {
            assert!(entries.make_room());
            let hash = ApiKeyHash::of(&made_up.to_le_bytes());
            entries.by_hash.insert(hash, Entry { key: None, read_at });
            assert!(entries.by_hash.len() <= MOST);
        }
        assert!(entries.by_hash.contains_key(&key.1));
    }
}
