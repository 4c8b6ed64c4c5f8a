//! The permits of the open streams: how many there may be in all and for each API key, and which gives way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_core::ApiKeyId;
use tokio_util::sync::CancellationToken;

/// The permits of the open streams. Keys share them: when all are taken, the key with the most permits gives
/// one to a key that has fewer.
pub struct StreamPermits {
    max: usize,
    max_per_key: usize,
    taken: Mutex<Taken>,
}

/// The reason why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPermit {
    /// The maximum number of streams is open.
    #[error("too many streams are open")]
    TooMany,
    /// The maximum number of streams with one API key is open.
    #[error("too many streams are open with this API key")]
    TooManyOfKey,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// The permits of each key, `None` for the administrator key, in the order in which they were taken.
    by_key: HashMap<Option<ApiKeyId>, BTreeMap<u64, CancellationToken>>,
}

/// A permit; dropping it frees it.
pub struct StreamPermit {
    permits: Arc<StreamPermits>,
    key: Option<ApiKeyId>,
    number: u64,
    lost: CancellationToken,
}

impl StreamPermit {
    /// Takes a permit, from another key if none is free. `None` is the administrator key.
    ///
    /// # Errors
    ///
    /// Fails if the key has its share.
    pub fn take(permits: &Arc<StreamPermits>, key: Option<ApiKeyId>) -> Result<Self, NoPermit> {
        let mut taken = permits.taken();
        let own = taken.by_key.get(&key).map_or(0, BTreeMap::len);
        if own >= permits.max_per_key {
            return Err(NoPermit::TooManyOfKey);
        }
        if taken.by_key.values().map(BTreeMap::len).sum::<usize>() >= permits.max {
            taken.take_from_another(own)?;
        }
        let number = taken.next;
        taken.next += 1;
        let lost = CancellationToken::new();
        taken.by_key.entry(key).or_default().insert(number, lost.clone());
        Ok(Self { permits: Arc::clone(permits), key, number, lost })
    }

    /// Waits until another key takes the permit.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Returns whether another key has taken the permit.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut taken = self.permits.taken();
        if let Some(of_key) = taken.by_key.get_mut(&self.key) {
            of_key.remove(&self.number);
            if of_key.is_empty() {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

impl StreamPermits {
    /// Creates `max` permits; one API key may have `max_per_key` of them.
    #[must_use]
    pub fn new(max: usize, max_per_key: usize) -> Self {
        Self { max, max_per_key, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the latest permit of the key with the most, if that leaves it at least as many as the asking key
    /// has then: its `own` permits and the new one.
    fn take_from_another(&mut self, own: usize) -> Result<(), NoPermit> {
        let heaviest = self.by_key.values_mut().max_by_key(|of_key| of_key.len());
        let heaviest = heaviest.filter(|of_key| of_key.len() > own + 1).ok_or(NoPermit::TooMany)?;
        if let Some((_, lost)) = heaviest.pop_last() {
            lost.cancel();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rdev_core::Timestamp;

    use super::*;

    fn permits() -> Arc<StreamPermits> {
        Arc::new(StreamPermits::new(100, 20))
    }

    fn key(number: u8) -> Option<ApiKeyId> {
        Some(ApiKeyId::from_parts(Timestamp::EPOCH, [number; 10]))
    }

    fn take(permits: &Arc<StreamPermits>, key: Option<ApiKeyId>, count: usize) -> Vec<StreamPermit> {
        (0..count).map(|_| StreamPermit::take(permits, key).unwrap()).collect()
    }

    #[test]
    fn a_key_has_its_share_and_no_more() {
        let permits = permits();
        let held = take(&permits, None, 20);
        assert_eq!(StreamPermit::take(&permits, None).err(), Some(NoPermit::TooManyOfKey));
        drop(held);
        assert!(StreamPermit::take(&permits, None).is_ok());
    }

    #[test]
    fn keys_that_took_all_places_give_way_to_others() {
        let permits = permits();
        let held: Vec<StreamPermit> = (0..5).flat_map(|number| take(&permits, key(number), 20)).collect();
        let others: Vec<StreamPermit> =
            (100..150).flat_map(|number| take(&permits, key(number), 1)).collect();
        assert!(others.iter().all(|permit| !permit.is_lost()));
        for of_key in held.chunks(20) {
            assert_eq!(of_key.iter().filter(|permit| !permit.is_lost()).count(), 10);
        }
        // The key lost its permits to others, and may not take them back.
        assert_eq!(StreamPermit::take(&permits, key(0)).err(), Some(NoPermit::TooMany));
        drop(held);
        assert!(StreamPermit::take(&permits, key(0)).is_ok());
    }
}
