//! The seats of the open streams: how many there may be in all and for each API key, and which gives way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_webhooks_domain::ApiKeyId;
use tokio_util::sync::CancellationToken;

use super::WatchError;

/// The maximum number of open streams.
const MAX_WATCHERS: usize = 100;
/// The maximum number of open streams with one API key.
const MAX_WATCHERS_OF_A_KEY: usize = 20;

/// The seats of the open streams. Keys share them: when all are taken, the key with the most seats gives
/// one to a key that has fewer.
#[derive(Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    next: u64,
    /// The seats of each key, `None` for the administrator key, in the order in which they were taken.
    by_key: HashMap<Option<ApiKeyId>, BTreeMap<u64, CancellationToken>>,
}

/// A seat; dropping it frees it.
pub(super) struct Seat {
    seats: Arc<Seats>,
    key: Option<ApiKeyId>,
    number: u64,
    lost: CancellationToken,
}

impl Seat {
    /// Takes a seat, from another key if none is free.
    pub(super) fn take(seats: &Arc<Seats>, key: Option<ApiKeyId>) -> Result<Self, WatchError> {
        let mut taken = seats.taken();
        let own = taken.by_key.get(&key).map_or(0, BTreeMap::len);
        if own >= MAX_WATCHERS_OF_A_KEY {
            return Err(WatchError::TooManyOfKey);
        }
        if taken.by_key.values().map(BTreeMap::len).sum::<usize>() >= MAX_WATCHERS {
            taken.take_from_another(own)?;
        }
        let number = taken.next;
        taken.next += 1;
        let lost = CancellationToken::new();
        taken.by_key.entry(key).or_default().insert(number, lost.clone());
        Ok(Self { seats: Arc::clone(seats), key, number, lost })
    }

    /// Waits until another key takes the seat.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(of_key) = taken.by_key.get_mut(&self.key) {
            of_key.remove(&self.number);
            if of_key.is_empty() {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

impl Seats {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes the latest seat of the key with the most, if that leaves it at least as many as the asking key
    /// has then: its `own` seats and the new one.
    fn take_from_another(&mut self, own: usize) -> Result<(), WatchError> {
        let heaviest = self.by_key.values_mut().max_by_key(|of_key| of_key.len());
        let heaviest = heaviest.filter(|of_key| of_key.len() > own + 1).ok_or(WatchError::TooMany)?;
        if let Some((_, lost)) = heaviest.pop_last() {
            lost.cancel();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::Timestamp;

    use super::*;

    fn key(number: u8) -> Option<ApiKeyId> {
        Some(ApiKeyId::from_parts(Timestamp::EPOCH, [number; 10]))
    }

    fn take(seats: &Arc<Seats>, key: Option<ApiKeyId>, count: usize) -> Vec<Seat> {
        (0..count).map(|_| Seat::take(seats, key).unwrap()).collect()
    }

    #[test]
    fn a_key_has_its_share_and_no_more() {
        let seats = Arc::default();
        let held = take(&seats, None, MAX_WATCHERS_OF_A_KEY);
        assert_eq!(Seat::take(&seats, None).err(), Some(WatchError::TooManyOfKey));
        drop(held);
        assert!(Seat::take(&seats, None).is_ok());
    }

    #[test]
    fn keys_that_took_all_places_give_way_to_others() {
        let seats = Arc::default();
        let held: Vec<Seat> = (0..5).flat_map(|number| take(&seats, key(number), 20)).collect();
        let others: Vec<Seat> = (100..150).flat_map(|number| take(&seats, key(number), 1)).collect();
        assert!(others.iter().all(|seat| !seat.is_lost()));
        for of_key in held.chunks(20) {
            assert_eq!(of_key.iter().filter(|seat| !seat.is_lost()).count(), 10);
        }
        // The key lost its seats to others, and may not take them back.
        assert_eq!(Seat::take(&seats, key(0)).err(), Some(WatchError::TooMany));
        drop(held);
        assert!(Seat::take(&seats, key(0)).is_ok());
    }
}
