//! Requests that may be sent again without being done twice.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{ApiKeyId, Timestamp};

/// A client's name for one request of its own, 1 to 255 visible ASCII characters, told apart from the same
/// name of another owner. Only the name's SHA-256 is kept: a client may put into it what it likes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    owner: Option<ApiKeyId>,
    digest: [u8; 32],
}

/// Why a text is not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The key of that name; no owner stands for the administrator.
    pub fn new(owner: Option<ApiKeyId>, name: &[u8]) -> Result<Self, IdempotencyKeyError> {
        if (1..=255).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic) {
            Ok(Self { owner, digest: Sha256::digest(name).into() })
        } else {
            Err(IdempotencyKeyError)
        }
    }

    /// A key as a store gives it back.
    #[must_use]
    pub const fn from_digest(owner: Option<ApiKeyId>, digest: [u8; 32]) -> Self {
        Self { owner, digest }
    }

    /// Whose key it is; none for the administrator's.
    #[must_use]
    pub const fn owner(&self) -> Option<ApiKeyId> {
        self.owner
    }

    /// The SHA-256 of the name.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Display for IdempotencyKey {
    /// The owner and the digest in hexadecimal.
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

/// What tells one request from another: a SHA-256 over all that it asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of these parts, in this order.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // The lengths keep the end of one part from passing for the beginning of the next.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// What an operation is made of besides its request: given the same, it makes the same ids, secrets and
/// times. So whoever runs it again, not knowing how far it came before, meets what it made then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The request that it is for.
    pub fingerprint: Fingerprint,
    /// What its randomness is drawn from; a secret, as secrets are made of it.
    pub seed: [u8; 32],
    /// Its time.
    pub at: Timestamp,
}

impl Operation {
    const LEN: usize = 32 + 32 + 8;

    /// The operation for a store, which must seal it: the seed is a secret, and the fingerprint lets a guess
    /// at a request be checked.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.fingerprint.0);
        bytes[32..64].copy_from_slice(&self.seed);
        bytes[64..].copy_from_slice(&self.at.as_micros().to_be_bytes());
        bytes
    }

    /// Reads [`Self::to_bytes`] back.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, rest) = bytes.split_first_chunk()?;
        let (seed, at) = rest.split_first_chunk()?;
        let at = Timestamp::from_micros(i64::from_be_bytes(at.try_into().ok()?));
        Some(Self { fingerprint: Fingerprint(*fingerprint), seed: *seed, at })
    }
}

impl fmt::Debug for Operation {
    /// Without what must be sealed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("at", &self.at).finish_non_exhaustive()
    }
}

/// An answer to be given again as it was, in a form that only whoever answers knows. It may hold secrets.
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
    fn odd_names_are_refused() {
        for name in ["", "a b", "a\n", "é", &"a".repeat(256)] {
            assert_eq!(IdempotencyKey::new(None, name.as_bytes()), Err(IdempotencyKeyError), "{name:?}");
        }
        assert!(IdempotencyKey::new(None, "~".repeat(255).as_bytes()).is_ok());
    }

    #[test]
    fn a_key_does_not_show_its_name() {
        let key = IdempotencyKey::new(None, b"a-name").unwrap();
        assert!(!format!("{key} {key:?}").contains("a-name"));
        assert!(key.to_string().starts_with("administrator/"));
    }

    #[test]
    fn where_a_part_ends_counts() {
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
    fn an_operation_reads_back() {
        let at = Timestamp::from_micros(1_736_937_000_123_456);
        let operation = Operation { fingerprint: Fingerprint::of(&[b"a"]), seed: [7; 32], at };
        let bytes = operation.to_bytes();
        assert!(Operation::from_bytes(&bytes) == Some(operation));
        assert!(Operation::from_bytes(&bytes[1..]).is_none());
        assert!(!format!("{operation:?}").contains("7, 7"));
    }
}
