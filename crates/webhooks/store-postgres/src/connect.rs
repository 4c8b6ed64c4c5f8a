//! Connections: the pools, their settings, and how they are closed.

mod pool;
mod server;
mod session;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::{KeyId, Keyring, RotationReport};
use rdev_webhooks_domain::ports::{Clock, StoreError};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub(crate) use pool::{Place, Pool, PoolLimits, PooledConnection};
pub(crate) use server::{APPLICATION_NAME, ConnectFailure, Server};
pub(crate) use session::{Purpose, Session};

use crate::clock::{self, Time};
use crate::error::is_away;
use crate::listings::Listings;
use crate::options::PostgresOptions;
use crate::queue::bodies::ClaimStatement;
use crate::queue::marks::Marks;
use crate::readiness::Readiness;
use crate::schema::{SchemaState, read_state};
use crate::targets::TargetCache;
use crate::wakeups::Wakeups;
use crate::{gauges, key_checks, public_keys, resealing, upkeep, wakeups};

const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait of upkeep for its connection, which another part of upkeep may hold for several
/// statements.
const UPKEEP_WAIT: Duration = Duration::from_secs(60);

/// The store ports on a Postgres database. Clones share all state.
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
    upkeep: Pool,
    control: Pool,
    listings: Listings,
    readiness: Arc<Readiness>,
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

/// The reason why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not valid. The message does not repeat it, as it may hold a password.
    #[error("the database URL is not a Postgres URL like postgres://user@host/database")]
    Url,
    /// The schema version differs from the one that this program needs; the message names the command to run.
    #[error("{0}")]
    Schema(SchemaState),
    /// Some of the database's secrets are sealed with a key that the keyring lacks.
    #[error(
        "the database contains secrets that are sealed with another encryption key ({needed}); set that key, or a \
         list of keys that contains it"
    )]
    WrongKey {
        /// The id of the missing key.
        needed: KeyId,
    },
    /// The database could not be reached, or refused the connection.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
}

/// Reseals all secrets in a database with the primary key, while processes serve on it, and reports the
/// result. Afterwards, if all secrets could be read, no process needs the other keys.
///
/// It may be stopped at any moment and restarted. The processes that serve meanwhile must have both keys; if
/// one of them still seals with the old key, it must run once more.
///
/// # Errors
///
/// [`ConnectError`]; nothing is changed if the keyring lacks a key that the database is known to need.
pub async fn rekey(url: &str, keyring: &Keyring) -> Result<RotationReport, ConnectError> {
    let place = Place::new(Server::parse(url).ok_or(ConnectError::Url)?);
    let pool = upkeep_pool(&PostgresOptions::new(url, keyring.clone()), &place)?;
    check_schema(&pool).await?;
    let report = resealing::reseal(&pool, keyring).await;
    pool.close().await;
    report
}

fn upkeep_pool(options: &PostgresOptions, place: &Place) -> Result<Pool, ConnectError> {
    let limits = PoolLimits {
        size: 1,
        wait: UPKEEP_WAIT,
        connect: options.acquire_timeout,
        statement: options.upkeep_timeout,
    };
    Pool::new("upkeep", Purpose::Upkeep, limits, place)
}

async fn check_schema(pool: &Pool) -> Result<(), ConnectError> {
    match pool.run(async |conn| read_state(conn).await).await.map_err(ConnectError::Store)? {
        SchemaState::Current => Ok(()),
        other => Err(ConnectError::Schema(other)),
    }
}

impl ConnectError {
    /// Returns whether the database is unavailable for a reason that may pass, so that waiting makes sense:
    /// no server listens there, or it does not respond, is starting, or accepts no writes. A rejected login
    /// needs an operator.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if is_away(error))
    }
}

impl PostgresStore {
    /// Connects, checks the schema's version and the encryption keys, and starts the upkeep.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(options: PostgresOptions) -> Result<Self, ConnectError> {
        let place = Place::new(Server::parse(&options.url).ok_or(ConnectError::Url)?);
        let pool = |name, purpose, size, statement| {
            let (wait, connect) = (options.acquire_timeout, options.acquire_timeout);
            Pool::new(name, purpose, PoolLimits { size, wait, connect, statement }, &place)
        };
        let (hot, sizes) = (options.statement_timeout, options.pools);
        let write = pool("write", Purpose::Write, sizes.write, hot)?;
        let claim = pool("claim", Purpose::Claim, sizes.claim, hot)?;
        let browse = pool("browse", Purpose::Browse, sizes.browse, options.browse_timeout)?;
        let listing = pool("listing", Purpose::Listing, sizes.listing, options.listing_timeout)?;
        let control = pool("control", Purpose::Claim, 1, hot)?;
        let upkeep = upkeep_pool(&options, &place)?;
        check_schema(&upkeep).await?;
        key_checks::admit(&upkeep, &options.keyring).await?;
        public_keys::fill(&upkeep, &options.keyring).await.map_err(ConnectError::Store)?;

        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let wakeups = Arc::new(Wakeups::default());
        if options.wake_others {
            wakeups::spawn(&tasks, &stop, &wakeups, control.clone(), Arc::clone(&place.server));
        }
        upkeep::spawn(&tasks, &stop, upkeep.clone());
        let time = Arc::new(Time::default());
        time.look(&control).await.map_err(ConnectError::Store)?;
        clock::spawn(&tasks, &stop, Arc::clone(&time), control.clone());
        let pools = [&write, &claim, &browse, &listing, &upkeep, &control].map(Pool::clone);
        gauges::spawn(&tasks, &stop, pools);
        let listings = Listings::new(listing, browse.clone(), tasks.clone());
        tasks.close();
        Ok(Self {
            inner: Arc::new(Inner {
                write,
                claim,
                browse,
                upkeep,
                control,
                listings,
                readiness: place.readiness,
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

    /// Returns the process's clock, corrected by the database's, for creating ids.
    #[must_use]
    pub fn clock(&self, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        self.inner.time.clock(own)
    }

    /// Ends the store's tasks and closes its connections. Every later call is [`StoreError::Unavailable`].
    /// Calls in progress may finish, for up to ten seconds.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        let closing = async {
            self.inner.tasks.wait().await;
            tokio::join!(
                self.inner.write.close(),
                self.inner.claim.close(),
                self.inner.browse.close(),
                self.inner.listings.pool().close(),
                self.inner.upkeep.close(),
                self.inner.control.close(),
            )
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("database connections still busy; abandoning them");
        }
    }
}

impl Inner {
    /// Returns the pool for changes: a change is durable once the call returns.
    pub(crate) const fn write(&self) -> &Pool {
        &self.write
    }

    /// Returns the pool for discovering and claiming.
    pub(crate) const fn claim(&self) -> &Pool {
        &self.claim
    }

    /// Returns the pool for authentication and look-ups by id.
    pub(crate) const fn browse(&self) -> &Pool {
        &self.browse
    }

    /// Returns the connections for listings, whose length callers of the API determine.
    pub(crate) const fn listings(&self) -> &Listings {
        &self.listings
    }

    /// Returns the pool for pruning and other long work on many rows.
    pub(crate) const fn upkeep(&self) -> &Pool {
        &self.upkeep
    }

    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Returns the pool for wake-ups and readiness checks, which must not wait for any other work.
    pub(crate) const fn control(&self) -> &Pool {
        &self.control
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("write", &self.inner.write.connections())
            .field("claim", &self.inner.claim.connections())
            .field("browse", &self.inner.browse.connections())
            .field("listing", &self.inner.listings.pool().connections())
            .finish_non_exhaustive()
    }
}
