//! What a rotation does to many values.

use std::collections::BTreeMap;
use std::fmt;

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

/// What a rotation came upon in all places where sealed values are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationReport {
    /// What it came upon in each place, under the place's name.
    pub places: Vec<(String, RotationTally)>,
}

impl RotationReport {
    /// How many values are sealed under the primary key now and were not before.
    #[must_use]
    pub fn resealed(&self) -> u64 {
        self.places.iter().map(|(_, tally)| tally.resealed).sum()
    }

    /// Whether everything is sealed under the primary key, so that the retired ones can be left out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.places.iter().all(|(_, tally)| tally.is_complete())
    }
}

/// What is wrong, by place, in one line; nothing if all is well.
impl fmt::Display for RotationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (place, tally) in &self.places {
            for (key, count) in &tally.unknown {
                write!(
                    f,
                    "{separator}{place}: {count} sealed with the key {key}, which is not among the encryption keys"
                )?;
                separator = "; ";
            }
            if tally.unreadable > 0 {
                let count = tally.unreadable;
                write!(f, "{separator}{place}: {count} damaged")?;
                separator = "; ";
            }
        }
        Ok(())
    }
}
