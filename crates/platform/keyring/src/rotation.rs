//! The rotation of many values.

use std::collections::BTreeMap;
use std::fmt;

use crate::key_id::KeyId;
use crate::keyring::{Keyring, OpenError, ResealError, SealError};

/// The counts of a rotation in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationTally {
    /// The number of values that were resealed with the primary key.
    pub resealed: u64,
    /// The numbers of unchanged values whose keys are not in the keyring, by key.
    pub unknown: BTreeMap<KeyId, u64>,
    /// The number of unchanged values that were altered, or never were sealed values.
    pub unreadable: u64,
}

impl RotationTally {
    /// Returns the replacement of `sealed`; `None` if it stays. A value that cannot be opened also stays, and
    /// is counted. The caller counts the replacements that it stores, because a value may have changed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// Fails with a [`SealError`].
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

    /// Returns whether everything is sealed with the primary key.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown.is_empty() && self.unreadable == 0
    }
}

/// The report of a rotation in all places with sealed values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationReport {
    /// The counts of each place, by its name.
    pub places: Vec<(String, RotationTally)>,
}

impl RotationReport {
    /// Returns the number of values that were resealed with the primary key.
    #[must_use]
    pub fn resealed(&self) -> u64 {
        self.places.iter().map(|(_, tally)| tally.resealed).sum()
    }

    /// Returns whether everything is sealed with the primary key, so that the retired keys can be removed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.places.iter().all(|(_, tally)| tally.is_complete())
    }
}

/// Writes the problems by place, in one line; writes nothing if there are none.
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
