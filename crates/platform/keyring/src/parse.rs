//! Parsing of a keyring from the configuration.

use std::str::FromStr;

use crate::encryption_key::{EncryptionKey, EncryptionKeyError};
use crate::keyring::Keyring;

/// Parses a comma-separated list of [`EncryptionKey`]s, with optional white space around each. The first key
/// encrypts, all decrypt.
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
            // Compares ids rather than keys: two different keys with the same id are very unlikely, and would
            // be useless, since a sealed value could not show which of them opens it.
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

/// The reason why a text is not a [`Keyring`]. The message names an entry by its position in the list, from
/// 1, and never contains its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no key.
    #[error("must contain at least one encryption key")]
    Empty,
    /// There is no text between two commas, before the first or after the last.
    #[error("entry {position} of the encryption keys is empty")]
    EmptyEntry {
        /// The entry's position.
        position: usize,
    },
    /// An entry is not a key. The reason is part of the message and not a source of the error, because
    /// programs that read a configuration often show only the message.
    #[error("entry {position} of the encryption keys is invalid: it {reason}")]
    Key {
        /// The entry's position.
        position: usize,
        /// The reason.
        reason: EncryptionKeyError,
    },
    /// An entry has the same key id as one before it.
    #[error("entry {position} of the encryption keys repeats entry {earlier}")]
    Duplicate {
        /// The entry's position.
        position: usize,
        /// The position of the first entry with that id.
        earlier: usize,
    },
}
