//! What a rotation does to many values.

use std::collections::BTreeMap;

use crate::key_id::KeyId;
use crate::keyring::{Keyring, OpenError, ResealError, SealError};

/// What a rotation came upon where values of one kind are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationTally {
    /// Values that are sealed under the primary key now and were not before.
    pub resealed: u64,
    /// Values that stay as they are because their keys are not in the keyring, by key.
    pub unknown: BTreeMap<KeyId, u64>,
    /// Values that stay as they are because they were altered, or never were sealed values.
    pub unreadable: u64,
}

impl RotationTally {
    /// What is to be stored in the place of `sealed`: `None` if that stays, for what cannot be opened as well,
    /// which is counted. What is then stored the caller counts, as it may come too late.
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub fn reseal(
        &mut self,
        keyring: &Keyring,
        sealed: &[u8],
        associated_data: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        match keyring.reseal(sealed, associated_data) {
            Ok(resealed) => return Ok(resealed),
            Err(ResealError::Seal(error)) => return Err(error),
            Err(ResealError::Open(OpenError::UnknownKey { key_id })) => {
                *self.unknown.entry(key_id).or_default() += 1;
            }
            Err(ResealError::Open(OpenError::Malformed | OpenError::Tampered)) => self.unreadable += 1,
        }
        Ok(None)
    }

    /// Whether everything is sealed under the primary key.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown.is_empty() && self.unreadable == 0
    }
}
