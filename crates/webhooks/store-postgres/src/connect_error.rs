//! The reason why a database cannot be opened.

use rdev_keyring::KeyId;
use rdev_webhooks_domain::ports::{SchemaState, StoreError};

use crate::error::is_away;

/// The reason why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not valid. The message does not repeat it, as it may hold a password.
    #[error("the database URL is not a Postgres URL like postgres://user@host/database")]
    Url,
    /// The schema version differs from the one that this program needs; the message names the command to run.
    #[error("{0}")]
    Schema(SchemaState),
    /// Some of the database's secrets are sealed with a key that the keyring lacks.
    #[error(
        "the database contains secrets that are sealed with another encryption key ({needed}); set that key, or a \
         list of keys that contains it"
    )]
    WrongKey {
        /// The id of the missing key.
        needed: KeyId,
    },
    /// The database could not be reached, or refused the connection.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
}

impl ConnectError {
    /// Returns whether the database is unavailable for a reason that may pass, so that waiting makes sense:
    /// no server listens there, or it does not respond, is starting, or accepts no writes. A rejected login
    /// needs an operator.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if is_away(error))
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
