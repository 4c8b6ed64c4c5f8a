//! The connections on which a caller publishes.

#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "sqlite")]
use sqlx::SqliteConnection;

/// A connection or a transaction that [`Publisher::publish_in`](crate::Publisher::publish_in) works on: of Postgres or SQLite.
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
