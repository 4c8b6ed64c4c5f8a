//! Opening a database.

pub(crate) mod prepare;

use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::{KeyId, Keyring, RotationReport, SealError};
use rdev_webhooks_domain::ports::SchemaState;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::clock::StoreClock;
use crate::files::{self, Lock};
use crate::listing::{Gate, Listings};
use crate::secrets::resealing;
use crate::writer::{Advance, Setup, WriteAheadLog, Writer};
use crate::{SqliteOptions, SqliteStore, rebase};

/// The reason why a database could not be opened; the messages address the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file or folder could not be created or opened.
    #[error("{} cannot be opened: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process uses the database.
    #[error(
        "{} is in use by another rdev-webhooks process; stop it, or use another --data-dir",
        path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database has several names (hard links), by which other processes could reach it.
    #[error(
        "{} has another name (a hard link), by which a second process could use it; remove the other name, or make \
         a copy",
        path.display()
    )]
    SeveralNames {
        /// The database.
        path: PathBuf,
    },
    /// A process of another version uses the database, so that its tables may differ from this version's.
    #[error(
        "{} is in use by an rdev-webhooks process of another version; stop that process, or use its version",
        path.display()
    )]
    InUseByAnotherVersion {
        /// The database.
        path: PathBuf,
    },
    /// A newer version has used the database.
    #[error(
        "{} was last used by a newer version of rdev-webhooks (its migration {version} is unknown to this \
         version); use that version or a later one",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The migration.
        version: i64,
    },
    /// The schema could not be migrated.
    #[error("{} could not be migrated: {source}", path.display())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// The cause.
        source: MigrateError,
    },
    /// Some of the database's secrets are sealed with a key that the keyring lacks.
    #[error(
        "{} contains secrets that are sealed with another encryption key ({needed}); set that key, or a list of \
         keys that contains it",
        path.display()
    )]
    WrongKey {
        /// The database.
        path: PathBuf,
        /// The id of the missing key.
        needed: KeyId,
    },
    /// The database's secrets could not be read although the key is present, or could not be sealed.
    #[error("the secrets in {} cannot be used: {reason}", path.display())]
    Secrets {
        /// The database.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// SQLite reported an error.
    #[error("{} cannot be used as a database: {source}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// The cause.
        source: sqlx::Error,
    },
}

pub(crate) async fn open(options: SqliteOptions) -> Result<SqliteStore, OpenError> {
    let SqliteOptions { path, keyring, clock, timeout, .. } = options;
    let clock = Arc::new(StoreClock::new(clock));
    let failed = |source: sqlx::Error| OpenError::Database { path: path.clone(), source };
    let (mut conn, lock) = connect(&path, timeout).await?;
    let resealed = resealing::reseal(&mut conn, &keyring, &path).await?;
    if !resealed.is_complete() {
        tracing::error!(secrets = %resealed, "some secrets cannot be read; operations that need them will fail");
    }
    rebase::rebase_at_open(&mut conn, clock.now()).await.map_err(failed)?;
    prepare::expire_leases(&mut conn, clock.now()).await.map_err(failed)?;

    // All connections are opened here, because SQLite shortens the index of the write-ahead log, which all of them
    // have mapped, when a connection to a file that has replaced the database opens it: the next access would end
    // the process by a signal.
    let pool = |size: NonZeroU32| {
        SqlitePoolOptions::new()
            .min_connections(size.get())
            .max_connections(size.get())
            .acquire_timeout(timeout)
            // SQLite's connections are threads of this process and never become stale.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let readers = pool(options.readers).connect_with(reading(lock.path(), timeout)).await.map_err(failed)?;
    let listings =
        pool(options.listings).connect_with(listing(lock.path(), timeout)).await.map_err(failed)?;
    let gate = Gate::default();
    let log = WriteAheadLog::new(lock.path(), Arc::clone(&gate), options.max_log_bytes);
    let listings = Listings::new(listings, gate, options.listing_timeout);
    let wake_ups = Arc::default();
    let options = writing(lock.path(), timeout);
    let checkpoints =
        SqliteConnection::connect_with(&checkpointing(lock.path(), timeout)).await.map_err(failed)?;
    let lock = Arc::new(lock);
    let (advance_claims, endpoints) = (Arc::default(), Arc::default());
    let advance = Advance {
        claims: Arc::clone(&advance_claims),
        endpoints: Arc::clone(&endpoints),
        keyring: Arc::clone(&keyring),
    };
    let setup = Setup {
        conn,
        options,
        checkpoints,
        clock: Arc::clone(&clock),
        wake_ups: Arc::clone(&wake_ups),
        advance,
        log,
        lock: Arc::clone(&lock),
    };
    Ok(SqliteStore {
        writer: Writer::start(setup, timeout),
        readers,
        listings,
        clock,
        keyring,
        endpoints,
        wake_ups,
        advance_claims,
        lock: Arc::downgrade(&lock),
        timeout,
    })
}

/// Creates a database or migrates its schema, and does nothing else. [`SqliteStore::open`] does it too. While
/// another process uses the database, this only confirms that the schema is current.
///
/// # Errors
///
/// As for opening, except that no key is needed.
pub async fn migrate(path: &Path) -> Result<(), OpenError> {
    let (conn, _lock) = match connect(path, SqliteOptions::TIMEOUT).await {
        Ok((conn, lock)) => (conn, Some(lock)),
        Err(OpenError::InUse { .. }) => (beside(path).await?, None),
        Err(other) => return Err(other),
    };
    conn.close().await.map_err(|source| OpenError::Database { path: path.to_owned(), source })
}

/// Compares a database's schema with this version's, whether or not a process uses the database. Creates nothing:
/// the schema of a file that does not exist is missing.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub async fn schema_state(path: &Path) -> Result<SchemaState, OpenError> {
    let failed = |source: sqlx::Error| OpenError::Database { path: path.to_owned(), source };
    // An empty database stands for a missing file.
    let options = match path.try_exists() {
        Ok(true) => common(path, SqliteOptions::TIMEOUT).read_only(true),
        Ok(false) => SqliteConnectOptions::new().in_memory(true),
        Err(source) => return Err(OpenError::File { path: path.to_owned(), source }),
    };
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let state = prepare::read_state(&mut conn).await.map_err(failed)?;
    conn.close().await.map_err(failed)?;
    Ok(state)
}

/// Reseals all secrets in a database with the primary key, whether or not another process serves on it, and
/// reports the result. Afterwards, if all secrets could be read, the database opens without the other keys.
///
/// It may be stopped at any moment and restarted. A process that serves meanwhile must have both keys.
///
/// # Errors
///
/// As for opening; nothing is changed if the keyring lacks a key that the database is known to need.
pub async fn rekey(path: &Path, keyring: &Keyring) -> Result<RotationReport, OpenError> {
    let failed = |source: sqlx::Error| OpenError::Database { path: path.to_owned(), source };
    if !path.exists() {
        let source = io::ErrorKind::NotFound.into();
        return Err(OpenError::File { path: path.to_owned(), source });
    }
    let (mut conn, _lock) = match connect(path, SqliteOptions::TIMEOUT).await {
        Ok((conn, lock)) => (conn, Some(lock)),
        Err(OpenError::InUse { .. }) => (beside(path).await?, None),
        Err(other) => return Err(other),
    };
    let report = resealing::reseal(&mut conn, keyring, path).await?;
    conn.close().await.map_err(failed)?;
    Ok(report)
}

/// Opens a writing connection beside the process that uses the database.
async fn beside(path: &Path) -> Result<SqliteConnection, OpenError> {
    let failed = |source: sqlx::Error| OpenError::Database { path: path.to_owned(), source };
    let resolved = path.canonicalize().map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let mut conn =
        SqliteConnection::connect_with(&writing(&resolved, SqliteOptions::TIMEOUT)).await.map_err(failed)?;
    if prepare::read_state(&mut conn).await.map_err(failed)? == SchemaState::Current {
        return Ok(conn);
    }
    Err(OpenError::InUseByAnotherVersion { path: path.to_owned() })
}

/// Locks a database, opens the writing connection, and migrates the schema.
async fn connect(path: &Path, timeout: Duration) -> Result<(SqliteConnection, Lock), OpenError> {
    let at = path.to_owned();
    let lock = tokio::task::spawn_blocking(move || files::prepare(&at))
        .await
        .map_err(|stopped| OpenError::File { path: path.to_owned(), source: stopped.into() })??;
    let mut conn = SqliteConnection::connect_with(&writing(lock.path(), timeout))
        .await
        .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
    prepare::migrate(&mut conn, path).await?;
    Ok((conn, lock))
}

fn writing(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    common(path, timeout)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on disk before its caller is answered.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // 64 MiB: the ends of the tables, where new rows go, and the unfinished deliveries.
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "MEMORY")
        // In pages of 4 KiB: another connection copies the log; this limits what it can leave behind.
        .pragma("wal_autocheckpoint", "16384")
        // The space that a burst has used is returned to the disk.
        .pragma("journal_size_limit", "67108864")
        .thread_name(|_| "sqlite-writer".to_owned())
}

fn checkpointing(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    writing(path, timeout).pragma("cache_size", "-1024").thread_name(|_| "sqlite-checkpoint".to_owned())
}

fn reading(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    common(path, timeout)
        .read_only(true)
        .pragma("cache_size", "-16384")
        .thread_name(|id| format!("sqlite-reader-{id}"))
}

fn listing(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    reading(path, timeout).pragma("cache_size", "-8192").thread_name(|id| format!("sqlite-listing-{id}"))
}

/// Returns the options common to all connections. The file is read, not mapped: a failing disk is then an
/// error and not a signal that ends the process.
fn common(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // Only external tools that inspect the database can hold a blocking lock. The wait for them is a part
        // of the caller's time limit.
        .busy_timeout(timeout / 6)
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

impl OpenError {
    pub(crate) fn sealing(path: PathBuf, error: &SealError) -> Self {
        Self::Secrets { path, reason: error.to_string() }
    }
}
