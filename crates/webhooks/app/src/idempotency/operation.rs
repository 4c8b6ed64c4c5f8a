//! The time and the randomness of the current task's operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdev_webhooks_domain::ports::{Clock, Entropy};
use rdev_webhooks_domain::{IdempotencyKey, Operation, Timestamp};
use sha2::{Digest, Sha256};

use crate::Ambient;

tokio::task_local! {
    static CURRENT: Current;
}

struct Current {
    key: IdempotencyKey,
    operation: Operation,
    repeats: bool,
    /// The number of blocks of randomness that were drawn.
    drawn: AtomicU64,
}

/// Runs the work as part of an operation.
pub(super) async fn scope<T>(
    key: IdempotencyKey,
    operation: &Operation,
    repeats: bool,
    work: impl Future<Output = T>,
) -> T {
    let current = Current { key, operation: *operation, repeats, drawn: AtomicU64::new(0) };
    CURRENT.scope(current, work).await
}

/// Returns the key of the current task's operation, if it has one.
pub(crate) fn current_key() -> Option<IdempotencyKey> {
    CURRENT.try_with(|current| current.key).ok()
}

/// Returns true if the current task's operation ran before, perhaps only in part.
pub(crate) fn is_repeated() -> bool {
    CURRENT.try_with(|current| current.repeats).unwrap_or(false)
}

impl Ambient {
    /// Returns the same clock and randomness, except within an operation under an idempotency key: there
    /// the time stands still, and the randomness is derived from the operation's seed.
    #[must_use]
    pub fn of_operations(self) -> Self {
        Self {
            clock: Arc::new(OperationClock(self.clock)),
            entropy: Arc::new(OperationEntropy(self.entropy)),
        }
    }
}

struct OperationClock(Arc<dyn Clock>);

impl Clock for OperationClock {
    fn now(&self) -> Timestamp {
        CURRENT.try_with(|current| current.operation.at).unwrap_or_else(|_| self.0.now())
    }
}

struct OperationEntropy(Arc<dyn Entropy>);

impl Entropy for OperationEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if CURRENT.try_with(|current| current.fill(bytes)).is_err() {
            self.0.fill(bytes);
        }
    }
}

impl Current {
    /// Fills the bytes with blocks of `SHA-256(seed ‖ number)`. It uses no library's generator, whose
    /// output may change in its next release: a newer program may run an operation again.
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::Relaxed);
            let digest = Sha256::new().chain_update(self.operation.seed).chain_update(number.to_be_bytes());
            chunk.copy_from_slice(&digest.finalize()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::Fingerprint;

    use super::*;

    fn key() -> IdempotencyKey {
        IdempotencyKey::new(None, b"key").unwrap()
    }

    fn operation(seed: u8) -> Operation {
        let at = Timestamp::from_millis(1_736_937_000_123);
        Operation { fingerprint: Fingerprint::of(&[]), seed: [seed; 32], at }
    }

    /// Draws twice, in lengths that are not whole blocks, and reads the time.
    async fn draw(ambient: &Ambient, seed: u8) -> ([u8; 10], [u8; 70], Timestamp) {
        let drawing = async {
            let first = ambient.entropy.bytes();
            tokio::task::yield_now().await;
            (first, ambient.entropy.bytes(), ambient.clock.now())
        };
        scope(key(), &operation(seed), true, drawing).await
    }

    #[tokio::test]
    async fn an_operation_draws_the_same_again() {
        let ambient = Ambient::system().of_operations();
        let (one, again, other) = tokio::join!(draw(&ambient, 1), draw(&ambient, 1), draw(&ambient, 2));
        assert_eq!(one, again);
        assert_eq!(one.2, operation(1).at);
        assert_ne!(one.0, other.0);
        assert_ne!(one.1, other.1);
        // Nothing repeats within one operation.
        assert_ne!(one.0, one.1[..10]);
        assert_ne!(one.1[..32], one.1[32..64]);
    }

    #[tokio::test]
    async fn outside_an_operation_the_system_is_used() {
        let ambient = Ambient::system().of_operations();
        assert!(!is_repeated() && current_key().is_none());
        scope(key(), &operation(1), true, async { assert!(is_repeated() && current_key() == Some(key())) })
            .await;
        scope(key(), &operation(1), false, async { assert!(!is_repeated()) }).await;
        assert_ne!(ambient.entropy.bytes::<16>(), ambient.entropy.bytes::<16>());
        assert!(ambient.clock.now() > operation(1).at);
    }
}
