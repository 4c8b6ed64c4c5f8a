//! Keys of idempotent requests.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ApiKeyId;

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
}
