//! Idempotency of requests.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{ApiKeyId, Timestamp};

/// A client's key for one of its requests: 1 to 255 visible ASCII characters. Keys of different owners are
/// distinct. Only the SHA-256 of the key is kept, because a client may put anything into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    owner: Option<ApiKeyId>,
    digest: [u8; 32],
}

/// The reason why a text is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// Creates a key from its text; no owner stands for the administrator.
    pub fn new(owner: Option<ApiKeyId>, name: &[u8]) -> Result<Self, IdempotencyKeyError> {
        if (1..=255).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic) {
            Ok(Self { owner, digest: Sha256::digest(name).into() })
        } else {
            Err(IdempotencyKeyError)
        }
    }

    /// Creates a key from its stored form.
    #[must_use]
    pub const fn from_digest(owner: Option<ApiKeyId>, digest: [u8; 32]) -> Self {
        Self { owner, digest }
    }

    /// Returns the owner; `None` for the administrator.
    #[must_use]
    pub const fn owner(&self) -> Option<ApiKeyId> {
        self.owner
    }

    /// Returns the SHA-256 of the text.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Display for IdempotencyKey {
    /// Writes the owner and the digest in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            Some(owner) => write!(f, "{owner}/")?,
            None => f.write_str("administrator/")?,
        }
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

    /// Serializes the operation for a store, which must encrypt it: the seed is a secret, and the fingerprint
    /// would allow a guessed request to be checked.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.fingerprint.0);
        bytes[32..64].copy_from_slice(&self.seed);
        bytes[64..].copy_from_slice(&self.at.as_micros().to_be_bytes());
        bytes
    }

    /// Parses what [`Self::to_bytes`] wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
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
    fn invalid_texts_are_refused() {
        for name in ["", "a b", "a\n", "é", &"a".repeat(256)] {
            assert_eq!(IdempotencyKey::new(None, name.as_bytes()), Err(IdempotencyKeyError), "{name:?}");
        }
        assert!(IdempotencyKey::new(None, "~".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn a_key_does_not_show_its_text() {
        let key = IdempotencyKey::new(None, b"a-name").unwrap();
        assert!(!format!("{key} {key:?}").contains("a-name"));
        assert!(key.to_string().starts_with("administrator/"));
    }

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
