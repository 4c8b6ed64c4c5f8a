//! Operations under an idempotency key, and their responses.

use std::fmt;

use bytes::Bytes;
use rdev_core::Timestamp;
use sha2::{Digest, Sha256};

/// The identity of a request: a SHA-256 over all its parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of these parts, in this order.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // The lengths separate the end of one part from the beginning of the next.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// The inputs of an operation besides its request. With the same inputs it creates the same ids, secrets and
/// times. A caller that repeats it after an unknown result therefore meets what it created before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// The seed of the operation's randomness. It is secret, because secrets are derived from it.
    pub seed: [u8; 32],
    /// The time of the operation.
    pub at: Timestamp,
}

impl Operation {
    const LEN: usize = 32 + 32 + 8;

    /// Serializes the operation, to be encrypted: the seed is a secret, and the fingerprint would allow a guessed
    /// request to be checked.
    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.fingerprint.0);
        bytes[32..64].copy_from_slice(&self.seed);
        bytes[64..].copy_from_slice(&self.at.as_micros().to_be_bytes());
        bytes
    }

    /// Parses what [`Self::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, rest) = bytes.split_first_chunk()?;
        let (seed, at) = rest.split_first_chunk()?;
        let at = Timestamp::from_micros(i64::from_be_bytes(at.try_into().ok()?));
        Some(Self { fingerprint: Fingerprint(*fingerprint), seed: *seed, at })
    }
}

impl fmt::Debug for Operation {
    /// Shows only what need not be encrypted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A response to repeat unchanged, in its creator's own format. It may contain secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct RememberedAnswer(pub Bytes);

impl fmt::Debug for RememberedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RememberedAnswer({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_where_each_part_ends() {
        let fingerprints = [
            Fingerprint::of(&[b"ab", b"c"]),
            Fingerprint::of(&[b"a", b"bc"]),
            Fingerprint::of(&[b"abc", b""]),
            Fingerprint::of(&[b"abc"]),
        ];
        for (n, one) in fingerprints.iter().enumerate() {
            assert!(fingerprints.iter().skip(n + 1).all(|other| one != other));
        }
    }

    #[test]
    fn an_operation_round_trips() {
        let at = Timestamp::from_micros(1_736_937_000_123_456);
        let operation = Operation { fingerprint: Fingerprint::of(&[b"a"]), seed: [7; 32], at };
        let bytes = operation.to_bytes();
        assert!(Operation::from_bytes(&bytes) == Some(operation));
        assert!(Operation::from_bytes(&bytes[1..]).is_none());
        assert!(!format!("{operation:?}").contains("7, 7"));
    }
}
