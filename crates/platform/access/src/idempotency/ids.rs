//! The ids, the secrets and the time of an operation.

use rdev_app::Ambient;
use rdev_core::{IdempotencyKey, Timestamp};
use sha2::{Digest, Sha256};

use crate::Operation;

/// The source of an operation's ids and secrets, and its time. The use cases that create something take it as
/// an argument.
///
/// Under an idempotency key all of them are derived from the operation, so a repeated request creates the same
/// again. Without a key ([`Self::fresh`]) they come from the clock and the randomness of the use case.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ids(Option<Execution>);

/// An execution of an operation under an idempotency key.
#[derive(Debug, Clone, Copy)]
struct Execution {
    key: IdempotencyKey,
    operation: Operation,
    is_repeated: bool,
}

impl Ids {
    /// Returns a source without an idempotency key.
    #[must_use]
    pub const fn fresh() -> Self {
        Self(None)
    }

    /// Returns the source of an operation under a key, which may have been executed before.
    pub(super) const fn new(key: IdempotencyKey, operation: Operation, is_repeated: bool) -> Self {
        Self(Some(Execution { key, operation, is_repeated }))
    }

    /// Returns the idempotency key.
    #[must_use]
    pub fn key(&self) -> Option<IdempotencyKey> {
        self.0.map(|execution| execution.key)
    }

    /// Returns true if the operation may have been executed before, perhaps only in part.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        self.0.is_some_and(|execution| execution.is_repeated)
    }

    /// Returns the time of the operation: under a key always that of its first execution.
    #[must_use]
    pub fn now(&self, ambient: &Ambient) -> Timestamp {
        self.0.map_or_else(|| ambient.now(), |execution| execution.operation.at)
    }

    /// Returns the `index`-th id of the operation with this label. `from_parts` creates the id from its time
    /// and its random bytes. Ids with different labels are independent. A label never changes: a newer program
    /// may run an operation again.
    pub fn id<T>(
        &self,
        ambient: &Ambient,
        label: &'static str,
        index: usize,
        from_parts: impl FnOnce(Timestamp, [u8; 10]) -> T,
    ) -> T {
        from_parts(self.now(ambient), self.bytes(ambient, label, index))
    }

    /// Returns the random bytes of the operation's secret.
    #[must_use]
    pub fn secret<const N: usize>(&self, ambient: &Ambient) -> [u8; N] {
        self.bytes(ambient, "secret", 0)
    }

    fn bytes<const N: usize>(&self, ambient: &Ambient, label: &str, index: usize) -> [u8; N] {
        match &self.0 {
            None => ambient.entropy.bytes(),
            Some(execution) => derive(&execution.operation.seed, label, index),
        }
    }
}

/// Derives bytes in blocks of `SHA-256(seed ‖ index ‖ block ‖ label)`. It uses no library's generator, whose
/// output may change in its next release.
fn derive<const N: usize>(seed: &[u8], label: &str, index: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for (block, chunk) in (0_u64..).zip(bytes.chunks_mut(32)) {
        let digest = Sha256::new()
            .chain_update(seed)
            .chain_update((index as u64).to_be_bytes())
            .chain_update(block.to_be_bytes())
            .chain_update(label)
            .finalize();
        chunk.copy_from_slice(&digest[..chunk.len()]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use rdev_core::ApiKeyId;

    use super::*;
    use crate::Fingerprint;

    fn operation(seed: u8) -> Operation {
        let at = Timestamp::from_millis(1_736_937_000_123);
        Operation { fingerprint: Fingerprint::of(&[]), seed: [seed; 32], at }
    }

    fn ids(seed: u8, is_repeated: bool) -> Ids {
        Ids::new(IdempotencyKey::new(None, b"key").unwrap(), operation(seed), is_repeated)
    }

    #[test]
    fn a_repeated_operation_has_the_same_ids_secrets_and_time() {
        let ambient = Ambient::system();
        let created = |ids: Ids| {
            let id = |label, index| ids.id(&ambient, label, index, ApiKeyId::from_parts);
            (
                ids.now(&ambient),
                id("one", 0),
                [0, 1, 2].map(|index| id("many", index)),
                ids.secret::<70>(&ambient),
            )
        };
        let (one, again, other) = (created(ids(1, false)), created(ids(1, true)), created(ids(2, false)));
        assert_eq!(one, again);
        assert_eq!(one.0, operation(1).at);
        assert!(one.1 != other.1 && one.2 != other.2 && one.3 != other.3);
        assert!(one.2[0] != one.2[1] && one.2[1] != one.2[2], "each event has an id of its own");
        assert_ne!(one.3[..32], one.3[32..64], "no block repeats");
        assert_ne!(one.1, one.2[0], "each label has ids of its own");
    }

    #[test]
    fn without_a_key_ids_and_time_are_those_of_the_system() {
        let (ambient, ids) = (Ambient::system(), Ids::fresh());
        assert!(!ids.may_exist() && ids.key().is_none());
        assert_ne!(ids.secret::<16>(&ambient), ids.secret::<16>(&ambient));
        assert!(ids.now(&ambient) > operation(1).at);
    }

    #[test]
    fn only_a_repeated_operation_may_have_created_something() {
        assert!(ids(1, true).may_exist() && !ids(1, false).may_exist());
        assert!(ids(1, false).key().is_some());
    }
}
