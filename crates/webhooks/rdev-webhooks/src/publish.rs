//! Publishing, also inside the transaction of a caller.

use std::fmt;
use std::sync::Arc;

use rdev_app::Ambient;
#[cfg(any(feature = "api", feature = "worker"))]
use rdev_webhooks_app::{self as app, MAX_EVENT_DELIVERIES};
use rdev_webhooks_domain::Published;

#[cfg(any(feature = "api", feature = "worker"))]
use crate::connection::ConnectionRef;
use crate::connection::PublishConnection;
use crate::on_pool::{OnPool, PublishPool};
#[cfg(any(feature = "api", feature = "worker"))]
use crate::store::Kind;
use crate::{Event, OpenError, PublishError};

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
