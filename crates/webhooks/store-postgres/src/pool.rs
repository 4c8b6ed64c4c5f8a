//! A pool of connections of one kind. Every wait is bounded, and no possibly dead connection stays.

pub(crate) mod gauges;
pub(crate) mod listings;
pub(crate) mod readiness;
pub(crate) mod server;
pub(crate) mod session;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    self, Manager, Metrics, Object, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
};
use rdev_webhooks_domain::ports::StoreError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use tokio_util::task::TaskTracker;

use crate::error::{DbError, is_session_lost, store_error, timed_out};
use readiness::Readiness;
use server::{ConnectFailure, Server};
use session::{Access, Purpose, Session};

/// The idle time after which a connection is tested before its next use.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Time limit of such a test, and of the statements that remain before a connection returns to its pool.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The additional time that the server has to end a statement by itself.
const GRACE: Duration = Duration::from_secs(2);

/// Maximum age of a connection: its host name may have changed its address, and a session keeps the memory
/// that it once needed.
const MAX_AGE: Duration = Duration::from_secs(30 * 60);

/// Maximum age of a connection to a server that takes no writes: the primary may be elsewhere by now.
const MAX_AGE_READ_ONLY: Duration = Duration::from_secs(5);

const MAX_IDLE: Duration = Duration::from_secs(10 * 60);

/// The size of a pool and the time limits of its calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolLimits {
    pub(crate) size: u32,
    /// Time limit for a connection to become free.
    pub(crate) wait: Duration,
    /// Time limit for connecting.
    pub(crate) connect: Duration,
    /// Time limit of one statement.
    pub(crate) statement: Duration,
}

/// A server, and the state that all its pools share.
pub(crate) struct Place {
    pub(crate) server: Arc<Server>,
    trust: Arc<Trust>,
    pub(crate) readiness: Arc<Readiness>,
}

impl Place {
    pub(crate) fn new(server: Server) -> Self {
        Self { server: Arc::new(server), trust: Arc::default(), readiness: Arc::default() }
    }
}

#[derive(Clone)]
pub(crate) struct Pool {
    name: &'static str,
    inner: managed::Pool<Connector>,
    limits: PoolLimits,
    trust: Arc<Trust>,
    readiness: Arc<Readiness>,
    /// The calls that hold a connection.
    users: TaskTracker,
}

/// A connection of a pool.
pub(crate) struct PooledConnection {
    conn: PgConnection,
    access: Access,
}

/// Opens and tests the connections of a pool.
struct Connector {
    server: Arc<Server>,
    session: Session,
    timeout: Duration,
    trust: Arc<Trust>,
}

/// The moments since when a connection must have been used to need no test. The pools of a server share them:
/// a finding of one pool holds for the others.
#[derive(Default)]
struct Trust(Mutex<Marks>);

#[derive(Default, Clone, Copy)]
struct Marks {
    /// A connection last used before this moment is tested first.
    suspect: Option<Instant>,
    /// A connection last used before this moment is closed: another connection was tested and stayed silent.
    dead: Option<Instant>,
}

impl Trust {
    fn marks(&self) -> Marks {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn suspect(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).suspect = Some(Instant::now());
    }

    fn give_up(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).dead = Some(Instant::now());
    }
}

impl Manager for Connector {
    type Type = PooledConnection;
    type Error = ConnectFailure;

    async fn create(&self) -> Result<PooledConnection, ConnectFailure> {
        let (conn, access) = self.server.connect(&self.session, self.timeout).await?;
        Ok(PooledConnection { conn, access })
    }

    async fn recycle(&self, conn: &mut PooledConnection, metrics: &Metrics) -> RecycleResult<ConnectFailure> {
        let max_age = if conn.access.can_write() { MAX_AGE } else { MAX_AGE_READ_ONLY };
        if metrics.age() >= max_age {
            return Err(RecycleError::message("too old"));
        }
        let used_at = metrics.recycled.unwrap_or(metrics.created);
        let marks = self.trust.marks();
        if marks.dead.is_some_and(|dead| used_at <= dead) {
            return Err(RecycleError::message("one like it is dead"));
        }
        let suspect = marks.suspect.is_some_and(|suspect| used_at <= suspect);
        if suspect || used_at.elapsed() >= TEST_AFTER_IDLE {
            conn.test(&self.session, &self.trust).await?;
        }
        Ok(())
    }
}

impl PooledConnection {
    /// Returns the id of the server process behind the connection.
    pub(crate) const fn backend(&self) -> i32 {
        self.access.backend
    }

    /// Tests whether the server still allows the session's purpose.
    async fn test(&mut self, session: &Session, trust: &Trust) -> RecycleResult<ConnectFailure> {
        let asking = sqlx::raw_sql("SHOW transaction_read_only").fetch_one(&mut self.conn);
        let answer = match tokio::time::timeout(TEST_TIMEOUT, asking).await {
            Ok(answer) => answer.and_then(|row| row.try_get::<String, _>(0)),
            Err(_) => {
                trust.give_up();
                return Err(RecycleError::message("silent"));
            }
        };
        match answer {
            Ok(read_only) if read_only == "off" || !session.is_for_writing() => Ok(()),
            Ok(_) => Err(RecycleError::message("read-only")),
            Err(error) => {
                trust.suspect();
                Err(RecycleError::Backend(ConnectFailure::Driver(error)))
            }
        }
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

/// A connection in use. If it is dropped before the call has ended (the deadline has passed, or the caller
/// has given up), it is closed: the rest of its traffic is unknown, and the server may never respond.
struct InUse(Option<Object<Connector>>);

impl InUse {
    /// Returns the connection to the pool.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
    }
}

impl Pool {
    pub(crate) fn new(
        name: &'static str,
        purpose: Purpose,
        limits: PoolLimits,
        place: &Place,
    ) -> Result<Self, StoreError> {
        let connector = Connector {
            server: Arc::clone(&place.server),
            session: Session::new(purpose, limits.statement),
            timeout: limits.connect,
            trust: Arc::clone(&place.trust),
        };
        let config = PoolConfig {
            max_size: (limits.size as usize).max(1),
            timeouts: Timeouts { wait: Some(limits.wait), create: None, recycle: None },
            queue_mode: QueueMode::Lifo,
        };
        let inner = managed::Pool::builder(connector)
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Internal(error.into()))?;
        let users = TaskTracker::new();
        users.close();
        let (trust, readiness) = (Arc::clone(&place.trust), Arc::clone(&place.readiness));
        Ok(Self { name, inner, limits, trust, readiness, users })
    }

    /// Runs a function with a connection, within the deadline.
    pub(crate) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PooledConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let _user = self.users.token();
        let mut in_use = self.acquire().await.map_err(|failure| {
            self.trust.suspect();
            self.readiness.note_unreachable();
            StoreError::from(failure)
        })?;
        let Some(conn) = in_use.0.as_mut() else {
            return Err(ConnectFailure::Closed.into());
        };
        // The server ends a statement by itself; this deadline is for a server that no longer answers.
        let deadline = self.limits.statement + GRACE;
        match tokio::time::timeout(deadline, work(conn)).await {
            Ok(Ok(done)) => {
                self.give_back(in_use).await;
                Ok(done)
            }
            Ok(Err(error)) => {
                self.readiness.note(&error);
                if is_session_lost(&error) {
                    self.trust.suspect();
                } else {
                    self.give_back(in_use).await;
                }
                Err(store_error(error))
            }
            Err(_) => {
                self.trust.suspect();
                self.readiness.note_unreachable();
                Err(timed_out(deadline))
            }
        }
    }

    /// Runs a function that may also fail by the store's own checks. Then its transaction is rolled back, and
    /// the connection is of further use.
    pub(crate) async fn run_checked<T>(
        &self,
        work: impl AsyncFnOnce(&mut PooledConnection) -> Result<T, DbError>,
    ) -> Result<T, StoreError> {
        self.run(async move |conn| match work(conn).await {
            Ok(done) => Ok(Ok(done)),
            Err(DbError::Store(error)) => Ok(Err(error)),
            Err(DbError::Driver(error)) => Err(error),
        })
        .await?
    }

    async fn acquire(&self) -> Result<InUse, ConnectFailure> {
        let busy = ConnectFailure::Busy {
            pool: self.name,
            size: self.inner.status().max_size,
            waited: self.limits.wait,
        };
        match self.inner.get().await {
            Ok(conn) => Ok(InUse(Some(conn))),
            Err(PoolError::Backend(failure)) => Err(failure),
            Err(PoolError::Closed) => Err(ConnectFailure::Closed),
            Err(_) => Err(busy),
        }
    }

    /// Returns a connection to the pool after sending its pending statement: the rollback of a dropped
    /// transaction, which would otherwise hold its locks until the next use of the connection.
    async fn give_back(&self, mut in_use: InUse) {
        let Some(conn) = in_use.0.as_mut() else {
            return;
        };
        if conn.conn.should_flush()
            && !matches!(tokio::time::timeout(TEST_TIMEOUT, conn.conn.ping()).await, Ok(Ok(())))
        {
            self.trust.suspect();
            return;
        }
        in_use.release();
    }

    /// Returns how many connections there are, and how many of them are idle.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let status = self.inner.status();
        (status.size, status.available)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Closes connections that have been idle for long.
    pub(crate) async fn trim(&self) {
        let idle = self.inner.retain(|_, metrics| metrics.last_used() < MAX_IDLE).removed;
        for conn in idle {
            // Its result does not matter.
            let _ = tokio::time::timeout(TEST_TIMEOUT, conn.conn.close()).await;
        }
    }

    /// Closes the idle connections, refuses new calls, and waits for the calls in progress.
    pub(crate) async fn close(&self) {
        self.inner.close();
        self.users.wait().await;
    }
}
