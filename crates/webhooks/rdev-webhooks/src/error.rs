//! The reason why a database cannot be opened.

use rdev_webhooks_domain::ports::{SchemaState, StoreError};

use crate::DatabaseError;

/// The reason why a database could not be opened. The message is for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL or the pool is not of a database that can be used.
    #[error("the database URL {0}")]
    Database(#[from] DatabaseError),
    /// The Postgres store failed to open.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] rdev_webhooks_store_postgres::ConnectError),
    /// The embedded database failed to open.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
    /// The schema is not this version's; the message says what to do.
    #[error("{0}")]
    Schema(SchemaState),
    /// The pool has no usable connection.
    #[error("the database cannot be used")]
    Pool(#[from] sqlx::Error),
    /// The registered event types could not be loaded.
    #[error("the event types cannot be read")]
    EventTypes(#[source] StoreError),
    /// The dispatcher could not be created.
    #[error("the dispatcher could not be set up")]
    Dispatcher(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    /// Returns whether the database is only temporarily unavailable, so that waiting helps: it cannot be
    /// reached, is starting, or accepts no writes at present.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.is_away(),
            Self::EventTypes(StoreError::Unavailable(_)) => true,
            Self::Pool(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            _ => false,
        }
    }
}
