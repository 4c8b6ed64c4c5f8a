//! Reading a keyring from the configuration.

use std::str::FromStr;

use crate::encryption_key::{EncryptionKey, EncryptionKeyError};
use crate::keyring::Keyring;

/// Reads a comma-separated list of [`EncryptionKey`]s, with white space around each if one likes.
/// The first key encrypts, all decrypt.
impl FromStr for Keyring {
    type Err = KeyringError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        if list.trim().is_empty() {
            return Err(KeyringError::Empty);
        }
        let mut keys: Vec<EncryptionKey> = Vec::new();
        for (position, entry) in (1..).zip(list.split(',')) {
            let entry = entry.trim();
            if entry.is_empty() {
                return Err(KeyringError::EmptyEntry { position });
            }
            let key: EncryptionKey =
                entry.parse().map_err(|reason| KeyringError::Key { position, reason })?;
            // By id rather than by key: two different keys with one id are as unlikely as they
            // would be useless, since a sealed value could not tell which of them opens it.
            if let Some(earlier) = keys.iter().position(|other| other.id() == key.id()) {
                return Err(KeyringError::Duplicate { position, earlier: earlier + 1 });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let primary = keys.next().ok_or(KeyringError::Empty)?;
        Ok(Self::with_retired(primary, keys.collect()))
    }
}

/// Why a text is not a [`Keyring`]. Entries are named by their position in the list, counted from
/// 1; what stands there is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no key at all.
    #[error("must contain at least one encryption key")]
    Empty,
    /// There is nothing between two commas, or before the first or after the last.
    #[error("entry {position} of the encryption keys is empty")]
    EmptyEntry {
        /// The entry's position.
        position: usize,
    },
    /// An entry is not a key. The reason is part of the message and no source of the error, since
    /// what reads a configuration often shows the message alone.
    #[error("entry {position} of the encryption keys is invalid: it {reason}")]
    Key {
        /// The entry's position.
        position: usize,
        /// What is wrong with it.
        reason: EncryptionKeyError,
    },
    /// An entry has the same key id as one before it.
    #[error("entry {position} of the encryption keys repeats entry {earlier}")]
    Duplicate {
        /// The entry's position.
        position: usize,
        /// The position of the entry that it repeats.
        earlier: usize,
    },
}
