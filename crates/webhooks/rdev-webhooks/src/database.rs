//! The choice of the database, by a URL or a pool.

use std::convert::Infallible;
use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
use std::str::FromStr;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use std::time::Duration;

#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres::Address;

use crate::{OpenError, PublishPool};

/// How long a connection of [`Database::pool`] waits for the database, or for its lock.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const POOL_TIMEOUT: Duration = Duration::from_secs(5);

/// A database for webhooks, events and deliveries.
///
/// Made from a URL, `postgres://user:password@host:port/database` with libpq's parameters after a `?`, or
/// `sqlite://PATH`; or from a pool of `sqlx`: only the options of its connections are used. `sqlite://rdev.db`
/// is relative to the working directory, `sqlite:///var/lib/rdev.db` is absolute. Functions that take a database take
/// any of these.
///
/// A Postgres database is for any number of processes, and [`migrate`](crate::migrate) prepares it. A file of SQLite
/// is open in one system at a time, which creates and migrates it.
#[derive(Clone)]
pub struct Database(pub(crate) Location);

#[derive(Clone)]
pub(crate) enum Location {
    #[cfg(feature = "postgres")]
    Postgres(Address),
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

/// The kind of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseKind {
    /// A database server.
    #[cfg(feature = "postgres")]
    Postgres,
    /// A file.
    #[cfg(feature = "sqlite")]
    Sqlite,
}

/// The reason why a URL or a pool is not of a database that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// This build does not know the scheme.
    #[error("must begin with postgres:// or sqlite://")]
    Scheme,
    /// There is no path after the scheme.
    #[error("must have a path after sqlite://, like sqlite:///var/lib/rdev/rdev.db")]
    Path,
    /// The pool is of a database in memory, which no other connection reaches.
    #[error("must be of a file, not of a database in memory")]
    InMemory,
}

/// Returns the database of a URL, a pool or the like.
pub(crate) fn database_of<D>(database: D) -> Result<Database, DatabaseError>
where
    D: TryInto<Database, Error: Into<DatabaseError>>,
{
    database.try_into().map_err(Into::into)
}

impl From<Infallible> for DatabaseError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl FromStr for Database {
    type Err = DatabaseError;

    fn from_str(url: &str) -> Result<Self, DatabaseError> {
        #[cfg(feature = "sqlite")]
        if let Some(path) = url.strip_prefix("sqlite://") {
            // This program takes no parameters after a `?`, and a path seldom contains one.
            if path.is_empty() || path.ends_with('/') || path.contains(['?', '#']) {
                return Err(DatabaseError::Path);
            }
            return Ok(Self::sqlite(path));
        }
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self(Location::Postgres(url.into())));
        }
        Err(DatabaseError::Scheme)
    }
}

impl TryFrom<&str> for Database {
    type Error = DatabaseError;

    fn try_from(url: &str) -> Result<Self, DatabaseError> {
        url.parse()
    }
}

impl TryFrom<String> for Database {
    type Error = DatabaseError;

    fn try_from(url: String) -> Result<Self, DatabaseError> {
        url.parse()
    }
}

impl TryFrom<&String> for Database {
    type Error = DatabaseError;

    fn try_from(url: &String) -> Result<Self, DatabaseError> {
        url.parse()
    }
}

impl From<&Self> for Database {
    fn from(database: &Self) -> Self {
        database.clone()
    }
}

#[cfg(feature = "postgres")]
impl From<&sqlx::PgPool> for Database {
    fn from(pool: &sqlx::PgPool) -> Self {
        Self(Location::Postgres(sqlx::postgres::PgConnectOptions::clone(&pool.connect_options()).into()))
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for Database {
    fn from(pool: sqlx::PgPool) -> Self {
        Self::from(&pool)
    }
}

#[cfg(feature = "sqlite")]
impl TryFrom<&sqlx::SqlitePool> for Database {
    type Error = DatabaseError;

    fn try_from(pool: &sqlx::SqlitePool) -> Result<Self, DatabaseError> {
        let options = pool.connect_options();
        let path = options.get_filename();
        // The driver shows this only here.
        let is_in_memory =
            path == Path::new(":memory:") || format!("{options:?}").contains(" in_memory: true");
        if is_in_memory { Err(DatabaseError::InMemory) } else { Ok(Self::sqlite(path)) }
    }
}

#[cfg(feature = "sqlite")]
impl TryFrom<sqlx::SqlitePool> for Database {
    type Error = DatabaseError;

    fn try_from(pool: sqlx::SqlitePool) -> Result<Self, DatabaseError> {
        Self::try_from(&pool)
    }
}

impl Database {
    /// Returns the SQLite database at a path.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Location::Sqlite(path.into()))
    }

    /// Returns the path of an SQLite database; `None` for any other.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => None,
            Location::Sqlite(path) => Some(path),
        }
    }

    /// Returns a pool of connections for statements of the host, beside those of the system: at most this many. Of
    /// several hosts of a Postgres URL it uses the first that takes writes now, and [`Self::follow_primary`] moves it to
    /// another one. A file of SQLite must exist; all
    /// connections to it are opened at once and stay open, so that [`OpenFiles`](crate::OpenFiles) can find that it was
    /// replaced.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached.
    pub async fn pool(&self, max_connections: u32) -> Result<PublishPool, OpenError> {
        match &self.0 {
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => {
                let pool = rdev_webhooks_store_postgres::host_pool(address, max_connections, POOL_TIMEOUT);
                Ok(PublishPool::Postgres(pool.await?))
            }
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => {
                let file = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let file = file.busy_timeout(POOL_TIMEOUT).pragma("mmap_size", "0");
                let options = sqlx::sqlite::SqlitePoolOptions::new();
                let options = options
                    // All are opened now, and their logs by a read: to open one more once the file was replaced would
                    // shorten the index of its log, which the others have mapped, and end the process by a signal.
                    .after_connect(|conn, _| {
                        let reading = sqlx::raw_sql("SELECT count(*) FROM sqlite_schema").execute(conn);
                        Box::pin(async move { reading.await.map(drop) })
                    })
                    .min_connections(max_connections)
                    .max_connections(max_connections)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
                    .acquire_timeout(POOL_TIMEOUT);
                Ok(PublishPool::Sqlite(options.connect_with(file).await?))
            }
        }
    }

    /// Moves a pool of [`Self::pool`] to another host of a Postgres URL whenever its own takes no more writes, for ever.
    /// It can be dropped at any time. For all other pools it does nothing.
    pub async fn follow_primary(&self, pool: &PublishPool) {
        match (&self.0, pool) {
            #[cfg(feature = "postgres")]
            (Location::Postgres(address), PublishPool::Postgres(pool)) => {
                rdev_webhooks_store_postgres::follow_primary(address, pool).await;
            }
            #[cfg(feature = "sqlite")]
            _ => std::future::pending().await,
        }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> DatabaseKind {
        match self.0 {
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => DatabaseKind::Postgres,
            #[cfg(feature = "sqlite")]
            Location::Sqlite(_) => DatabaseKind::Sqlite,
        }
    }
}

impl DatabaseKind {
    /// Returns the name: `postgres` or `sqlite`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => "postgres",
            #[cfg(feature = "sqlite")]
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Debug for Database {
    /// Omits what may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => f.write_str("postgres://…"),
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_relative_or_absolute() {
        for (url, expected) in
            [("sqlite://./.rdev/rdev.db", "./.rdev/rdev.db"), ("sqlite:///var/rdev.db", "/var/rdev.db")]
        {
            assert_eq!(url.parse::<Database>().unwrap().path(), Some(Path::new(expected)));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let database: Database = "postgres://rdev:s3cret@localhost/rdev".parse().unwrap();
        assert_eq!(format!("{database:?}"), "postgres://…");
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, error) in [
            ("", DatabaseError::Scheme),
            ("rdev.db", DatabaseError::Scheme),
            ("mysql://localhost/rdev", DatabaseError::Scheme),
            ("sqlite://", DatabaseError::Path),
            ("sqlite://folder/", DatabaseError::Path),
            ("sqlite://rdev.db?mode=rwc", DatabaseError::Path),
        ] {
            assert_eq!(url.parse::<Database>().unwrap_err(), error, "{url}");
        }
    }

    #[tokio::test]
    async fn a_pool_names_its_database() {
        let pool = sqlx::SqlitePool::connect_lazy("sqlite:///var/rdev.db").unwrap();
        assert_eq!(Database::try_from(pool).unwrap().path(), Some(Path::new("/var/rdev.db")));
        for url in ["sqlite::memory:", "sqlite://shared?mode=memory"] {
            let pool = sqlx::SqlitePool::connect_lazy(url).unwrap();
            assert_eq!(Database::try_from(pool).unwrap_err(), DatabaseError::InMemory, "{url}");
        }
        // The driver cannot write these options as a URL.
        let options = sqlx::postgres::PgConnectOptions::new().host("::1").username("me@home");
        let pool = sqlx::postgres::PgPoolOptions::new().connect_lazy_with(options);
        assert_eq!(Database::from(pool).kind(), DatabaseKind::Postgres);
    }
}
