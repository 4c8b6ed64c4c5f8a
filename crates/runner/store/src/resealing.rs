//! The encryption keys of a database.

use rdev_keyring::{KeyId, Keyring, SealError};

/// The failure of an operation on the encrypted values of a database.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A value is encrypted with a key that the keyring has not got.
    #[error("credentials are encrypted with the key {0}, which is not among the encryption keys")]
    Missing(KeyId),
    /// The database cannot be read or written.
    #[error("the credentials cannot be read or written")]
    Database(#[from] sqlx::Error),
    /// A value cannot be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Checks that the keyring has the keys of these values, one value for each key. A value without a key is damaged, which
/// its use reports.
///
/// # Errors
///
/// Fails if a key is missing.
pub fn check_samples(keyring: &Keyring, samples: &[Vec<u8>]) -> Result<(), KeyError> {
    let needed = samples.iter().filter_map(|sealed| Keyring::key_id_of(sealed));
    let missing = needed.into_iter().find(|needed| keyring.key_ids().all(|own| own != *needed));
    missing.map_or(Ok(()), |missing| Err(KeyError::Missing(missing)))
}
