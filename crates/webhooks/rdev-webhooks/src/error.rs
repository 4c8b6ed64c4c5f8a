//! The reasons why a database cannot be opened and an event is not published.

use rdev_webhooks_app::{self as app, MAX_EVENT_DELIVERIES};
use rdev_webhooks_domain::ports::{SchemaState, StoreError};

use crate::{DatabaseError, InvalidMember};

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

/// The reason why an event was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Members of the event are not valid. Nothing was sent to the database.
    #[error("{}", list(.0))]
    Invalid(Vec<InvalidMember>),
    /// The event was not accepted: for example, its type is not registered or its data does not match the type's
    /// schema. Only after [`EventRefused::Store`](crate::EventRefused::Store) can it be stored nevertheless.
    #[error(transparent)]
    Refused(#[from] app::PublishError),
    /// The event would have more deliveries than an event may have. Nothing was stored, and the caller's
    /// transaction can go on.
    #[error("would create more than {MAX_EVENT_DELIVERIES} deliveries, one for each webhook that gets it")]
    TooManyDeliveries,
    /// The connection belongs to another kind of database than the system.
    #[error("the connection is to another kind of database than that of the webhooks")]
    OtherDatabase,
    /// The caller's database failed. A transaction can only be rolled back; repeat it as usual after
    /// SQLSTATE 40001 (serialization failure) and 40P01 (deadlock).
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The caller's embedded database failed, and the transaction is as it was before; or the database contains
    /// event types that cannot be read.
    #[error("the database failed")]
    Store(#[source] StoreError),
}

fn list(invalid: &[InvalidMember]) -> String {
    invalid.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
