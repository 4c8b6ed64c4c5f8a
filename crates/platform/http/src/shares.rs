//! Shares of scarce resources by API key: the requests of one key cannot take what all others need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rdev_core::ApiKeyId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The holder of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// The administrator key.
    Administrator,
    /// An API key.
    Key(ApiKeyId),
    /// A caller without a key.
    Anybody,
}

impl Holder {
    /// Returns the holder for a key; `None` stands for the administrator key.
    pub(crate) fn of(key: Option<ApiKeyId>) -> Self {
        key.map_or(Self::Administrator, Self::Key)
    }
}

/// A number of units; one holder may have at most a part of them. Further requests wait in their order.
pub(crate) struct Shares {
    all: Arc<Semaphore>,
    part: usize,
    holders: Mutex<HashMap<Holder, Weak<Semaphore>>>,
}

/// Some units; dropping it returns them.
#[derive(Debug)]
pub(crate) struct Share {
    // `None` only if a semaphore is closed, which never happens.
    _own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// Creates `units`; one holder may have at most `part` of them.
    pub(crate) fn new(units: usize, part: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(units)), part: part.min(units), holders: Mutex::default() }
    }

    /// Takes units, at most a holder's part, once that many are available to this holder.
    pub(crate) async fn take(&self, holder: Holder, units: usize) -> Share {
        let units = u32::try_from(units.clamp(1, self.part)).unwrap_or(u32::MAX);
        let own = self.of(holder);
        // The holder's own units first: a holder that waits for its own requests delays no others.
        let own = own.acquire_many_owned(units).await.ok();
        let all = Arc::clone(&self.all).acquire_many_owned(units).await.ok();
        Share { _own: own, _all: all }
    }

    fn of(&self, holder: Holder) -> Arc<Semaphore> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = holders.get(&holder).and_then(Weak::upgrade) {
            return own;
        }
        if holders.len() == holders.capacity() {
            holders.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::new(Semaphore::new(self.part));
        holders.insert(holder, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use rdev_core::Timestamp;

    use super::*;

    fn key(number: u8) -> Holder {
        Holder::Key(ApiKeyId::from_parts(Timestamp::EPOCH, [number; 10]))
    }

    #[tokio::test]
    async fn a_holder_waits_only_for_its_own_requests() {
        let shares = Shares::new(4, 2);
        let mut held = vec![shares.take(key(1), 1).await, shares.take(key(1), 1).await];
        assert!(shares.take(key(1), 1).now_or_never().is_none());
        held.push(shares.take(key(2), 2).await);
        assert!(shares.take(key(3), 1).now_or_never().is_none());
        held.remove(0);
        assert!(shares.take(key(3), 1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_request_above_the_part_takes_the_part_and_frees_it_again() {
        let shares = Arc::new(Shares::new(4, 3));
        let held = shares.take(Holder::Anybody, 100).await;
        let waiting = tokio::spawn({
            let shares = Arc::clone(&shares);
            async move { drop(shares.take(Holder::Administrator, 2).await) }
        });
        drop(held);
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn unused_holders_are_removed() {
        let shares = Shares::new(4, 2);
        for number in 0..=255 {
            drop(shares.take(key(number), 1).await);
        }
        assert!(shares.holders.lock().unwrap().len() < 64);
    }
}
