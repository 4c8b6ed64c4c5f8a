//! The turns of the checks: checks that take a while run on other threads, a few at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rdev_webhooks_domain::ApiKeyId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The number of checks that run at the same time; further ones wait. Each uses a processor.
const MAX_CHECKS: usize = 2;
/// How long a check waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The turns of the checks. Each API key has one at a time, so that the other keys wait for at most one of
/// its checks.
pub(super) struct Checks {
    all: Arc<Semaphore>,
    by_key: Mutex<HashMap<Option<ApiKeyId>, Weak<Semaphore>>>,
}

/// A turn, held while a check runs.
pub(super) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_key: OwnedSemaphorePermit,
}

impl Checks {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_CHECKS)), by_key: Mutex::default() }
    }

    /// Waits for a turn for a check of a key; returns `None` after [`MAX_WAIT`].
    pub(super) async fn turn(&self, key: Option<ApiKeyId>) -> Option<Turn> {
        let of_key = self.of_key(key);
        let waiting = async {
            // Neither semaphore is ever closed.
            let of_key = of_key.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Turn { _of_all: of_all, _of_key: of_key })
        };
        tokio::time::timeout(MAX_WAIT, waiting).await.ok().flatten()
    }

    fn of_key(&self, key: Option<ApiKeyId>) -> Arc<Semaphore> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = by_key.get(&key).and_then(Weak::upgrade) {
            return present;
        }
        // Drop the semaphores that are no longer in use.
        by_key.retain(|_, semaphore| semaphore.strong_count() > 0);
        let fresh = Arc::new(Semaphore::new(1));
        by_key.insert(key, Arc::downgrade(&fresh));
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_has_one_turn_at_a_time() {
        let checks = Checks::new();
        let (mallory, other) = (Some(ApiKeyId::from_uuid(uuid::Uuid::from_u128(1))), None);
        let held = checks.turn(mallory).await.unwrap();
        assert!(checks.turn(mallory).await.is_none(), "it waits for its own turn");
        let others = checks.turn(other).await.unwrap();
        drop(held);
        let again = checks.turn(mallory).await.unwrap();
        drop((again, others));
        assert!(checks.by_key.lock().unwrap().len() <= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_bounded_in_all() {
        let checks = Checks::new();
        let key = |n| Some(ApiKeyId::from_uuid(uuid::Uuid::from_u128(n)));
        let held = [checks.turn(key(1)).await.unwrap(), checks.turn(key(2)).await.unwrap()];
        assert!(checks.turn(key(3)).await.is_none());
        drop(held);
        assert!(checks.turn(key(3)).await.is_some());
        assert_eq!(checks.by_key.lock().unwrap().len(), 1, "the other keys are dropped");
    }
}
