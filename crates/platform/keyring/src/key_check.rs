//! Checks of the keys that a database needs.
//!
//! For each key that may have sealed a value of a database, the database stores a known text, sealed with that
//! key. A process whose keyring lacks one of the keys detects that before it serves.

use crate::keyring::{Keyring, OpenError, SealError};
use crate::sealed_column::SealedColumn;

/// The sealed text. Its content is public; that it opens proves the key.
const TEXT: &[u8] = b"rdev";

const ASSOCIATED_DATA: &[u8] = b"encryption_keys.key_check";

/// The column of the checks, for errors.
pub const COLUMN: SealedColumn = SealedColumn::new("encryption_keys", "key_check");

/// Returns a check of the primary key, to be stored under its id.
///
/// # Errors
///
/// As [`Keyring::seal`].
pub fn seal(keyring: &Keyring) -> Result<Vec<u8>, SealError> {
    keyring.seal(TEXT, ASSOCIATED_DATA)
}

/// Opens a stored check.
///
/// # Errors
///
/// As [`Keyring::open`]: the keyring lacks the key, or the check is damaged.
pub fn verify(keyring: &Keyring, check: &[u8]) -> Result<(), OpenError> {
    keyring.open(check, ASSOCIATED_DATA).map(drop)
}
