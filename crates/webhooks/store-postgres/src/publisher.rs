//! Publishing on the connections of a caller, without a store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, Registered, SchemaState, StoreError};
use rdev_webhooks_domain::{NewEvent, Published};
use sqlx::PgConnection;
use tokio::time::Instant;

use crate::clock::Time;
use crate::convert::{from_micros, from_sql_time};
use crate::error::DbError;
use crate::event_types;
use crate::events::add::add_event;
use crate::schema::read_state;

/// What a process needs to know to publish on any connection to one database: the database's time, and how long
/// the keys of events live. It has no pool and no task.
#[derive(Default)]
pub struct PostgresPublisher {
    time: Arc<Time>,
    key_lifetime: Mutex<Duration>,
}

/// An error on a connection of a caller.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The database failed. A transaction can only be rolled back.
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
    /// The database contains what cannot be read.
    #[error(transparent)]
    Store(StoreError),
}

impl From<DbError> for PublisherError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Driver(error) => Self::Driver(error),
            DbError::Store(error) => Self::Store(error),
        }
    }
}

impl PostgresPublisher {
    /// Returns the process's clock, corrected by the database's as it was last read.
    #[must_use]
    pub fn clock(&self, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        self.time.clock(own)
    }

    /// Compares the database's schema with this program's.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn schema_state(&self, conn: &mut PgConnection) -> Result<SchemaState, sqlx::Error> {
        read_state(conn).await
    }

    /// Reads the time and the lifetime of keys, and the registered event types if their version is not `known`.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn refresh(
        &self,
        conn: &mut PgConnection,
        known: Option<u64>,
    ) -> Result<Option<Registered>, PublisherError> {
        let began = Instant::now();
        let row = sqlx::query!(
            r#"SELECT v.version, (extract(epoch FROM r.period) * 1000000)::int8 AS "lifetime!",
                 rdev_webhooks.now() + (clock_timestamp() - pg_catalog.now()) AS "now!"
               FROM rdev_webhooks.event_types_version v CROSS JOIN rdev_webhooks.retention r"#
        )
        .fetch_one(&mut *conn)
        .await?;
        self.time.see(from_sql_time(row.now), began, began.elapsed());
        *self.key_lifetime.lock().unwrap_or_else(PoisonError::into_inner) = from_micros(row.lifetime);
        let version = event_types::to_version(row.version).map_err(PublisherError::Store)?;
        // A transaction may see an older version than another has seen before.
        if known.is_some_and(|known| version <= known) {
            return Ok(None);
        }
        Ok(Some(event_types::read(conn).await?))
    }

    /// Adds an event as [`PostgresStore::add_event`](crate::PostgresStore::add_event) does.
    ///
    /// # Errors
    ///
    /// The error of the database, after which the transaction can only be rolled back.
    pub async fn add_event(
        &self,
        conn: &mut PgConnection,
        event: &NewEvent,
        max_deliveries: u32,
    ) -> Result<Option<Published>, sqlx::Error> {
        let key_lifetime = *self.key_lifetime.lock().unwrap_or_else(PoisonError::into_inner);
        add_event(conn, event, key_lifetime, max_deliveries).await
    }
}
