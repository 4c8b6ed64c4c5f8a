//! Connections: the pools, their settings, and their end.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, StoreError};
use rdev_webhooks_keyring::{KeyId, Keyring, RotationReport};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, Postgres};
use sqlx::{Connection, Executor};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::clock::{self, Time};
use crate::error::{TimedOut, store_error};
use crate::listings::Listings;
use crate::options::PostgresOptions;
use crate::queue::bodies::ClaimStatement;
use crate::queue::marks::Marks;
use crate::schema::{SchemaState, parse_url, read_state};
use crate::targets::TargetCache;
use crate::wakeups::Wakeups;
use crate::{gauges, key_checks, public_keys, resealing, upkeep, wakeups};

/// The planner's settings for the statements that carry the load. Left alone it plans them by statistics
/// that were taken while the queue was empty, and scans and sorts what it could walk in order; planned
/// once for all parameters, and by index, they stay fast whatever the statistics say.
const HOT_SETTINGS: &str = "
    SET plan_cache_mode = 'force_generic_plan';
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET enable_sort = off; SET jit = off;";

/// Listings have filters that may be absent, so each is planned for what is there.
const BROWSE_SETTINGS: &str = "SET plan_cache_mode = 'force_custom_plan'; SET jit = off;";

/// A listing takes one of the server's processors, not several.
const LISTING_SETTINGS: &str = "SET max_parallel_workers_per_gather = 0;";

/// A claim that a crash of the server forgets is made again, so it need not wait for the disk; nor need a
/// wake-up, which is a transaction like others.
const UNHURRIED_SETTINGS: &str = "SET synchronous_commit = off;";

/// What the server calls our connections.
pub(crate) const APPLICATION_NAME: &str = "rdev-webhooks";

/// A connection that has been idle for longer is asked whether it still lives before it is used.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The store ports on a Postgres database. Clones share everything.
///
/// Its own tasks (upkeep, wake-ups) end with [`Self::close`], or when the last clone is dropped.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    write: Pool,
    claim: Pool,
    browse: Pool,
    listings: Listings,
    pub(crate) keyring: Keyring,
    pub(crate) key_lifetime: Duration,
    pub(crate) targets: TargetCache,
    pub(crate) marks: Marks,
    pub(crate) claim_statement: ClaimStatement,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) time: Arc<Time>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// A pool, and how long what is done with one of its connections may take.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) pool: PgPool,
    deadline: Duration,
    lost: Arc<Lost>,
}

/// When the database was last found to be away, by any pool: what was connected before that is asked
/// whether it still lives before it is used.
#[derive(Default)]
struct Lost(Mutex<Option<Instant>>);

impl Lost {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn since(&self, idle: Duration) -> bool {
        let lost_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost_at.is_some_and(|lost_at| idle >= lost_at.elapsed())
    }
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL makes no sense; it is not repeated, as it may hold a password.
    #[error("the database URL is not one of Postgres, like postgres://user@host/database")]
    Url,
    /// The schema is another than this program needs; the message says which command to run.
    #[error("{0}")]
    Schema(SchemaState),
    /// Some of the database's secrets are sealed with a key that was not given.
    #[error(
        "the database holds secrets that are sealed with another encryption key ({needed}); give that key, or a \
         list of keys that holds it"
    )]
    WrongKey {
        /// The id of the key that is needed.
        needed: KeyId,
    },
    /// The database could not be reached, or refused us.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
}

/// Seals everything in a database anew with the primary key, while processes serve on it, and tells what that
/// came to. Afterwards, if all of it could be read, no process needs the other keys.
///
/// It may be ended at any moment and begun again. The processes that serve meanwhile must have both keys, and
/// those that still seal with the old one make it necessary once more.
///
/// # Errors
///
/// [`ConnectError`]; nothing is changed if the keyring lacks a key that the database is known to need.
pub async fn rekey(url: &str, keyring: &Keyring) -> Result<RotationReport, ConnectError> {
    let server = parse_url(url).ok_or(ConnectError::Url)?;
    let options = PostgresOptions::new(url, keyring.clone());
    let (acquire, statement) = (options.acquire_timeout, options.browse_timeout);
    let pool = Pool::new(&server, 1, acquire, statement, BROWSE_SETTINGS, &Arc::default());
    check_schema(&pool).await?;
    let report = resealing::reseal(&pool, keyring).await;
    // Nothing hangs on how the connection ends.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, pool.pool.close()).await;
    report
}

async fn check_schema(pool: &Pool) -> Result<(), ConnectError> {
    let mut conn = pool.acquire().await.map_err(ConnectError::Store)?;
    match read_state(&mut conn).await.map_err(ConnectError::Store)? {
        SchemaState::Current => Ok(()),
        other => Err(ConnectError::Schema(other)),
    }
}

impl PostgresStore {
    /// Connects, checks the schema's version and the encryption keys, and begins the upkeep.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(options: PostgresOptions) -> Result<Self, ConnectError> {
        let server = parse_url(&options.url).ok_or(ConnectError::Url)?;
        let lost = Arc::default();
        let pool = |size, timeout, settings: &str| {
            Pool::new(&server, size, options.acquire_timeout, timeout, settings, &lost)
        };
        let (hot, slow) = (options.statement_timeout, options.browse_timeout);
        let write = pool(options.pools.write, hot, HOT_SETTINGS);
        let claim = pool(options.pools.claim, hot, &[HOT_SETTINGS, UNHURRIED_SETTINGS].concat());
        let browse = pool(options.pools.browse, slow, BROWSE_SETTINGS);
        let listing = pool(
            options.pools.listing,
            options.listing_timeout,
            &[BROWSE_SETTINGS, LISTING_SETTINGS].concat(),
        );
        check_schema(&browse).await?;
        key_checks::admit(&browse, &options.keyring).await?;
        public_keys::fill(&browse, &options.keyring).await.map_err(ConnectError::Store)?;

        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let wakeups = Arc::new(Wakeups::default());
        if options.wake_others {
            // One connection to listen and one to tell.
            wakeups::spawn(&tasks, &stop, &wakeups, pool(2, hot, UNHURRIED_SETTINGS));
        }
        upkeep::spawn(&tasks, &stop, browse.clone());
        let time = Arc::new(Time::default());
        time.look(&browse).await.map_err(ConnectError::Store)?;
        clock::spawn(&tasks, &stop, Arc::clone(&time), browse.clone());
        let pools = [("write", &write), ("claim", &claim), ("browse", &browse), ("listing", &listing)];
        gauges::spawn(&tasks, &stop, pools.map(|(name, pool)| (name, pool.pool.clone())));
        let listings = Listings::new(listing, browse.clone(), tasks.clone());
        tasks.close();
        Ok(Self {
            inner: Arc::new(Inner {
                write,
                claim,
                browse,
                listings,
                keyring: options.keyring,
                key_lifetime: options.key_lifetime,
                targets: TargetCache::default(),
                marks: Marks::default(),
                claim_statement: ClaimStatement::default(),
                wakeups,
                time,
                tasks,
                _stop_on_drop: stop.clone().drop_guard(),
                stop,
            }),
        })
    }

    /// A process's clock, corrected by the database's: what ids are to be made by.
    #[must_use]
    pub fn clock(&self, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        self.inner.time.clock(own)
    }

    /// Ends the store's tasks and closes its connections. Whatever is called afterwards is
    /// [`StoreError::Unavailable`]. What is under way may end, for up to ten seconds.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        let closing = async {
            self.inner.tasks.wait().await;
            tokio::join!(
                self.inner.write.pool.close(),
                self.inner.claim.pool.close(),
                self.inner.browse.pool.close(),
                self.inner.listings.pool().pool.close(),
            )
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("connections to the database are still busy; leaving them");
        }
    }
}

impl Inner {
    /// For what changes something: durable once it is answered.
    pub(crate) const fn write(&self) -> &Pool {
        &self.write
    }

    /// For discovering and claiming.
    pub(crate) const fn claim(&self) -> &Pool {
        &self.claim
    }

    /// For authentication, for what is looked up by its id, and for pruning.
    pub(crate) const fn browse(&self) -> &Pool {
        &self.browse
    }

    /// For what a caller of the API may make last.
    pub(crate) const fn listings(&self) -> &Listings {
        &self.listings
    }
}

impl Pool {
    fn new(
        server: &PgConnectOptions,
        size: u32,
        acquire_timeout: Duration,
        statement_timeout: Duration,
        settings: &str,
        lost: &Arc<Lost>,
    ) -> Self {
        let timeout_ms = statement_timeout.as_millis().max(1);
        let settings = format!(
            "SET statement_timeout = {timeout_ms};
             SET idle_in_transaction_session_timeout = {timeout_ms};
             SET TIME ZONE 'UTC';
             {settings}"
        );
        let settings: Arc<str> = settings.into();
        let suspicion = Arc::clone(lost);
        let pool = PgPoolOptions::new()
            .max_connections(size.max(1))
            .acquire_timeout(acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(move |conn, meta| {
                let suspect = meta.idle_for >= TEST_AFTER_IDLE || suspicion.since(meta.idle_for);
                Box::pin(async move {
                    if suspect {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |conn, _| {
                let settings = Arc::clone(&settings);
                Box::pin(async move {
                    conn.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(server.clone().application_name(APPLICATION_NAME));
        Self {
            pool,
            // The server ends a statement by itself; this is for one that no longer answers.
            deadline: acquire_timeout + statement_timeout + Duration::from_secs(2),
            lost: Arc::clone(lost),
        }
    }

    /// A connection, within the time to wait for one.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(store_error)
    }

    /// Does something with a connection, within the deadline.
    pub(crate) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PoolConnection<Postgres>) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.bounded(async {
            let mut conn = self.pool.acquire().await?;
            work(&mut conn).await
        })
        .await
    }

    /// Does something with a connection of its own choice, within the deadline.
    pub(crate) async fn bounded<T>(
        &self,
        working: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let done = match tokio::time::timeout(self.deadline, working).await {
            Ok(done) => done.map_err(store_error),
            Err(_) => Err(StoreError::Unavailable(TimedOut(self.deadline).into())),
        };
        if matches!(done, Err(StoreError::Unavailable(_))) {
            self.lost.note();
        }
        done
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("write", &self.inner.write.pool.size())
            .field("claim", &self.inner.claim.pool.size())
            .field("browse", &self.inner.browse.pool.size())
            .field("listing", &self.inner.listings.pool().pool.size())
            .finish_non_exhaustive()
    }
}
