//! Publishing, also inside the transaction of a caller.

use std::fmt;
use std::sync::Arc;

use rdev_app::Ambient;
#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "sqlite")]
use sqlx::SqliteConnection;

use rdev_webhooks_app::{self as app, MAX_EVENT_DELIVERIES};
use rdev_webhooks_domain::Published;
use rdev_webhooks_domain::ports::StoreError;

use crate::on_pool::{OnPool, PublishPool};
#[cfg(any(feature = "api", feature = "worker"))]
use crate::store::Kind;
use crate::{Event, InvalidMember, OpenError};

/// Publishes events. A clone is cheap.
///
/// [`Self::open`] makes one on a pool of the host, for a service that only publishes; `RdevWebhooks::publisher` makes
/// one of a system.
#[derive(Clone)]
pub struct Publisher(Origin);

#[derive(Clone)]
enum Origin {
    /// A system, whose tasks store what several callers publish in one commit.
    #[cfg(any(feature = "api", feature = "worker"))]
    System(app::Publisher, Kind),
    Pool(Arc<OnPool>),
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

impl Publisher {
    /// Creates a publisher on a pool of the host, to a database that is migrated already. It has no task, no pool
    /// of its own and no encryption key; all other work is done by other processes. Between calls it does nothing.
    ///
    /// The registered event types are read through the connection that publishes, at most twice a second. A schema
    /// that a newer version has migrated is accepted, so that this service can be updated after the workers.
    ///
    /// On Postgres the pool's role needs `USAGE` on the schema `rdev_webhooks`, `EXECUTE` on its function `add_event`,
    /// and `SELECT` on its tables `_migrations`, `event_types`, `event_types_version` and `retention`.
    ///
    /// # Errors
    ///
    /// Fails with an [`OpenError`] if the database cannot be reached or was not migrated.
    pub async fn open(pool: impl Into<PublishPool>) -> Result<Self, OpenError> {
        Ok(Self(Origin::Pool(Arc::new(OnPool::open(pool.into(), Ambient::system()).await?))))
    }

    #[cfg(any(feature = "api", feature = "worker"))]
    pub(crate) const fn of_system(publisher: app::Publisher, store: Kind) -> Self {
        Self(Origin::System(publisher, store))
    }

    /// Publishes an event. The event and all its deliveries are committed when this returns: on disk, unless the
    /// host's own pool trades that for speed.
    ///
    /// # Errors
    ///
    /// Fails with a [`PublishError`].
    pub async fn publish(&self, event: Event) -> Result<Published, PublishError> {
        let draft = event.into_draft().map_err(PublishError::Invalid)?;
        match &self.0 {
            #[cfg(any(feature = "api", feature = "worker"))]
            Origin::System(publisher, _) => Ok(publisher.publish(draft).await?),
            Origin::Pool(pool) => pool.publish(draft).await,
        }
    }

    /// Publishes an event in the transaction of the caller: it and its deliveries are committed or rolled back
    /// with the caller's own changes. Without a transaction, it is committed at once.
    ///
    /// Workers begin to deliver within a second after the commit, however long the transaction was open. Two
    /// publishers wait for each other only if they use the same [key](Event::key). No setting of the session is
    /// changed.
    ///
    /// On Postgres the connection's role needs the rights `USAGE` on the schema `rdev_webhooks` and `EXECUTE` on
    /// its function `add_event`; with [`Self::open`], those that it lists. On SQLite the connection is to the file of
    /// the system, best in a transaction that was begun by `BEGIN IMMEDIATE`: the system's own writes wait for it.
    /// There the event is inserted within a savepoint.
    ///
    /// If the future is dropped before it is done, roll the transaction back: on SQLite a part of the event may be in it.
    ///
    /// # Errors
    ///
    /// Fails with a [`PublishError`]. Everything that can be wrong with the event is found before the first
    /// statement that writes.
    pub async fn publish_in<C>(&self, conn: &mut C, event: Event) -> Result<Published, PublishError>
    where
        C: PublishConnection + ?Sized,
    {
        let draft = event.into_draft().map_err(PublishError::Invalid)?;
        match &self.0 {
            #[cfg(any(feature = "api", feature = "worker"))]
            Origin::System(publisher, store) => {
                let event = publisher.prepare(draft).await?;
                let added = match (conn.as_ref_mut(), store) {
                    #[cfg(feature = "postgres")]
                    (ConnectionRef::Postgres(conn), Kind::Postgres(store)) => {
                        let added = store.add_event(conn, &event, MAX_EVENT_DELIVERIES).await;
                        added.map_err(PublishError::Database)?
                    }
                    #[cfg(feature = "sqlite")]
                    (ConnectionRef::Sqlite(conn), Kind::Sqlite(store)) => {
                        let added = store.add_event(conn, &event, MAX_EVENT_DELIVERIES).await;
                        added.map_err(PublishError::Store)?
                    }
                    #[cfg(all(feature = "postgres", feature = "sqlite"))]
                    _ => return Err(PublishError::OtherDatabase),
                };
                added.ok_or(PublishError::TooManyDeliveries)
            }
            Origin::Pool(pool) => pool.publish_in(conn.as_ref_mut(), draft).await,
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// A connection or a transaction that [`Publisher::publish_in`] works on: of Postgres or SQLite.
pub trait PublishConnection: Send {
    /// Returns the connection beneath.
    fn as_ref_mut(&mut self) -> ConnectionRef<'_>;
}

/// A connection to one of the databases.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionRef<'c> {
    /// To Postgres.
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut SqliteConnection),
}

/// Implements the trait for a connection, and for what contains one.
macro_rules! connections {
    ($database:ident, $connection:ty) => {
        impl PublishConnection for $connection {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$database(self)
            }
        }

        impl PublishConnection for sqlx::Transaction<'_, sqlx::$database> {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$database(self)
            }
        }

        impl PublishConnection for sqlx::pool::PoolConnection<sqlx::$database> {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$database(self)
            }
        }
    };
}

#[cfg(feature = "postgres")]
connections!(Postgres, PgConnection);
#[cfg(feature = "sqlite")]
connections!(Sqlite, SqliteConnection);
