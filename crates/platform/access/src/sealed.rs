//! Encryption of what a store keeps of an idempotent request. Each value is bound to its column and its
//! idempotency key.

use rdev_core::{IdempotencyKey, StoreError};
use rdev_keyring::{Keyring, SealedColumn};
use zeroize::Zeroizing;

use crate::{Operation, RememberedAnswer};

/// The table of the keys, without the prefix or the schema of a domain.
pub const TABLE: &str = "idempotency_keys";
/// The operations of the keys.
pub const OPERATION: SealedColumn = SealedColumn::new(TABLE, "operation");
/// The responses of the keys.
pub const RESPONSE: SealedColumn = SealedColumn::new(TABLE, "response");

impl Operation {
    /// Encrypts the operation under a key.
    pub fn seal(&self, keyring: &Keyring, key: &IdempotencyKey) -> Result<Vec<u8>, StoreError> {
        seal(OPERATION, keyring, key, &self.to_bytes())
    }

    /// Decrypts the operation under a key.
    pub fn open(keyring: &Keyring, key: &IdempotencyKey, sealed: &[u8]) -> Result<Self, StoreError> {
        let plain = open(OPERATION, keyring, key, sealed)?;
        Self::from_bytes(&plain).ok_or_else(|| corrupt(OPERATION, key, "has the wrong length"))
    }
}

impl RememberedAnswer {
    /// Encrypts the response to the request under a key.
    pub fn seal(&self, keyring: &Keyring, key: &IdempotencyKey) -> Result<Vec<u8>, StoreError> {
        seal(RESPONSE, keyring, key, &self.0)
    }

    /// Decrypts the response to the request under a key.
    pub fn open(keyring: &Keyring, key: &IdempotencyKey, sealed: &[u8]) -> Result<Self, StoreError> {
        Ok(Self(open(RESPONSE, keyring, key, sealed)?.to_vec().into()))
    }
}

fn seal(
    column: SealedColumn,
    keyring: &Keyring,
    key: &IdempotencyKey,
    plain: &[u8],
) -> Result<Vec<u8>, StoreError> {
    column.seal(keyring, key, plain).map_err(|error| StoreError::Internal(error.into()))
}

fn open(
    column: SealedColumn,
    keyring: &Keyring,
    key: &IdempotencyKey,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    column.open(keyring, key, sealed).map_err(|error| corrupt(column, key, error))
}

fn corrupt(
    column: SealedColumn,
    key: &IdempotencyKey,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    let SealedColumn { table, column } = column;
    StoreError::Corrupt { table, column, id: key.to_string(), source: source.into() }
}
