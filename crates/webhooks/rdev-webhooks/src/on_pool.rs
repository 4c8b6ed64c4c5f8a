//! Publishing on a pool of the host, without a system.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdev_app::Ambient;
use rdev_webhooks_app::{EventDraft, EventTypeCatalog, MAX_EVENT_DELIVERIES};
use rdev_webhooks_domain::Published;
use rdev_webhooks_domain::ports::{Registered, SchemaState, StoreError};
#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres::{PostgresPublisher, PublisherError};
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite as sqlite;

use crate::connection::ConnectionRef;
use crate::{OpenError, PublishError};

/// The interval at which the event types are read.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// A pool of connections to Postgres or SQLite, for [`Publisher::open`](crate::Publisher::open).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PublishPool {
    /// To Postgres.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
}

/// A pool, and what is known of its database.
pub(crate) struct OnPool {
    pool: PublishPool,
    #[cfg(feature = "postgres")]
    postgres: PostgresPublisher,
    catalog: EventTypeCatalog,
    ambient: Ambient,
    refreshed_at: Mutex<Option<Instant>>,
}

impl OnPool {
    /// Checks the schema, and reads the event types.
    pub(crate) async fn open(pool: PublishPool, ambient: Ambient) -> Result<Self, OpenError> {
        let Ambient { clock, entropy } = ambient;
        #[cfg(feature = "postgres")]
        let postgres = PostgresPublisher::default();
        let clock = match &pool {
            #[cfg(feature = "postgres")]
            PublishPool::Postgres(_) => postgres.clock(clock),
            #[cfg(feature = "sqlite")]
            PublishPool::Sqlite(_) => clock,
        };
        let it = Self {
            pool,
            #[cfg(feature = "postgres")]
            postgres,
            catalog: EventTypeCatalog::default(),
            ambient: Ambient { clock, entropy },
            refreshed_at: Mutex::default(),
        };
        match &it.pool {
            #[cfg(feature = "postgres")]
            PublishPool::Postgres(pool) => {
                let mut conn = pool.acquire().await?;
                accept(it.postgres.schema_state(&mut conn).await?)?;
                it.refresh(&mut ConnectionRef::Postgres(&mut conn)).await?;
            }
            #[cfg(feature = "sqlite")]
            PublishPool::Sqlite(pool) => {
                let mut conn = pool.acquire().await?;
                accept(sqlite::read_schema_state(&mut conn).await?)?;
                it.refresh(&mut ConnectionRef::Sqlite(&mut conn)).await?;
            }
        }
        Ok(it)
    }

    pub(crate) async fn publish(&self, draft: EventDraft) -> Result<Published, PublishError> {
        match &self.pool {
            #[cfg(feature = "postgres")]
            PublishPool::Postgres(pool) => {
                // One statement writes, which is a transaction of its own.
                let mut conn = pool.acquire().await.map_err(PublishError::Database)?;
                self.publish_in(ConnectionRef::Postgres(&mut conn), draft).await
            }
            #[cfg(feature = "sqlite")]
            PublishPool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(PublishError::Database)?;
                let published = self.publish_in(ConnectionRef::Sqlite(&mut tx), draft).await?;
                tx.commit().await.map_err(PublishError::Database)?;
                Ok(published)
            }
        }
    }

    pub(crate) async fn publish_in(
        &self,
        mut conn: ConnectionRef<'_>,
        draft: EventDraft,
    ) -> Result<Published, PublishError> {
        match (&conn, &self.pool) {
            #[cfg(feature = "postgres")]
            (ConnectionRef::Postgres(_), PublishPool::Postgres(_)) => {}
            #[cfg(feature = "sqlite")]
            (ConnectionRef::Sqlite(_), PublishPool::Sqlite(_)) => {}
            #[cfg(all(feature = "postgres", feature = "sqlite"))]
            _ => return Err(PublishError::OtherDatabase),
        }
        self.refresh(&mut conn).await?;
        let event = self.catalog.prepare(&self.ambient, draft).await?;
        let added = match conn {
            #[cfg(feature = "postgres")]
            ConnectionRef::Postgres(conn) => {
                let added = self.postgres.add_event(conn, &event, MAX_EVENT_DELIVERIES).await;
                added.map_err(PublishError::Database)?
            }
            #[cfg(feature = "sqlite")]
            ConnectionRef::Sqlite(conn) => {
                let now = self.ambient.clock.now();
                let added = sqlite::add_event(conn, &event, MAX_EVENT_DELIVERIES, now).await;
                added.map_err(PublishError::Store)?
            }
        };
        added.ok_or(PublishError::TooManyDeliveries)
    }

    /// Reads the event types on the connection of a caller, if another process may have changed them since. The pool
    /// may have no other connection.
    async fn refresh(&self, conn: &mut ConnectionRef<'_>) -> Result<(), ReadError> {
        let now = Instant::now();
        {
            let mut refreshed_at = self.refreshed_at.lock().unwrap_or_else(PoisonError::into_inner);
            if refreshed_at.is_some_and(|at| now.duration_since(at) < REFRESH_INTERVAL) {
                return Ok(());
            }
            *refreshed_at = Some(now);
        }
        let read = self.read(conn).await;
        if read.is_err() {
            *self.refreshed_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        match read? {
            Some(registered) => Ok(self.catalog.replace(registered).await?),
            None => Ok(()),
        }
    }

    async fn read(&self, conn: &mut ConnectionRef<'_>) -> Result<Option<Registered>, ReadError> {
        let known = self.catalog.version();
        match conn {
            #[cfg(feature = "postgres")]
            ConnectionRef::Postgres(conn) => Ok(self.postgres.refresh(conn, known).await?),
            #[cfg(feature = "sqlite")]
            ConnectionRef::Sqlite(conn) => Ok(sqlite::read_event_types(conn, known).await?),
        }
    }
}

/// The event types could not be read.
enum ReadError {
    #[cfg(feature = "postgres")]
    Driver(sqlx::Error),
    Store(StoreError),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(feature = "postgres")]
impl From<PublisherError> for ReadError {
    fn from(error: PublisherError) -> Self {
        match error {
            PublisherError::Driver(error) => Self::Driver(error),
            PublisherError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            #[cfg(feature = "postgres")]
            ReadError::Driver(error) => Self::Pool(error),
            ReadError::Store(error) => Self::EventTypes(error),
        }
    }
}

impl From<ReadError> for PublishError {
    fn from(error: ReadError) -> Self {
        match error {
            #[cfg(feature = "postgres")]
            ReadError::Driver(error) => Self::Database(error),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// Accepts the schema of this version or a newer one, whose migration is safe for this version too.
fn accept(state: SchemaState) -> Result<(), OpenError> {
    match state {
        SchemaState::Current | SchemaState::Newer { .. } => Ok(()),
        other => Err(OpenError::Schema(other)),
    }
}

impl fmt::Debug for OnPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnPool").finish_non_exhaustive()
    }
}

/// Implements the conversion of a pool.
macro_rules! pools {
    ($kind:ident, $pool:ty) => {
        impl From<$pool> for PublishPool {
            fn from(pool: $pool) -> Self {
                Self::$kind(pool)
            }
        }

        impl From<&$pool> for PublishPool {
            fn from(pool: &$pool) -> Self {
                Self::$kind(pool.clone())
            }
        }
    };
}

#[cfg(feature = "postgres")]
pools!(Postgres, sqlx::PgPool);
#[cfg(feature = "sqlite")]
pools!(Sqlite, sqlx::SqlitePool);
