//! The binding of sealed values to their columns and rows.

use std::fmt;

use zeroize::Zeroizing;

use crate::keyring::{Keyring, OpenError, SealError};

/// A column of sealed values. Each value is bound to its table, its column and its row: copied elsewhere, it
/// does not open. It is displayed as `table.column`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

impl SealedColumn {
    /// Returns a column.
    #[must_use]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        Self { table, column }
    }

    /// Returns the associated data of the value in the row `id`.
    #[must_use]
    pub fn associated_data(&self, id: &dyn fmt::Display) -> String {
        format!("{self} {id}")
    }

    /// Seals the value of the row `id`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::seal`].
    pub fn seal(
        &self,
        keyring: &Keyring,
        id: &dyn fmt::Display,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        keyring.seal(plaintext, self.associated_data(id).as_bytes())
    }

    /// Opens the value of the row `id`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::open`].
    pub fn open(
        &self,
        keyring: &Keyring,
        id: &dyn fmt::Display,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        keyring.open(sealed, self.associated_data(id).as_bytes())
    }
}

impl fmt::Display for SealedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)
    }
}
