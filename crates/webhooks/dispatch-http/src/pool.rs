//! The connections that deliveries share.
//!
//! A connection is kept for the next request to the same origin until it has been unused for too long, is too
//! old, or another connection needs its place. The number of all connections is bounded, and so is the number
//! of unused ones; the longest unused is closed first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use rdev_webhooks_domain::ports::LocalFault;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::deadline::Deadline;
use crate::http1::Http1;
use crate::http2::Http2;
use crate::pool_state::{Limits, Origin, State};

/// The interval between checks of unused connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A connection for one request.
pub(crate) enum Lease {
    Http1(Http1),
    Http2(SharedLease),
}

/// A request's share of a shared connection. If the request does not end by itself, no further request uses
/// the connection, and it is closed with its last request.
pub(crate) struct SharedLease {
    pub(crate) connection: Arc<Http2>,
    pool: Pool,
    origin: Origin,
    has_ended: bool,
}

impl SharedLease {
    /// Records that the request ended by itself, and not by its deadline.
    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for SharedLease {
    fn drop(&mut self) {
        if !self.has_ended {
            self.connection.retire();
        }
        self.connection.leave();
        let shared = &self.pool.shared;
        let is_wanted = shared.is_wanted();
        shared.lock().release(&self.origin, &self.connection, is_wanted, &shared.limits, Instant::now());
    }
}

#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    places: Arc<Semaphore>,
    /// The number of requests that wait for a place.
    waiting: AtomicUsize,
    state: Mutex<State>,
    sweeper: OnceLock<AbortOnDropHandle<()>>,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            shared: Arc::new(Shared {
                limits,
                places,
                waiting: AtomicUsize::new(0),
                state: Mutex::default(),
                sweeper: OnceLock::new(),
            }),
        }
    }

    /// Returns when a connection that is opened now becomes too old.
    pub(crate) fn expiry(&self) -> Instant {
        Instant::now() + self.shared.limits.max_age
    }

    /// Returns an existing connection; a connection for one request at a time only if it `may_be_stale`.
    pub(crate) fn reuse(&self, origin: &Origin, may_be_stale: bool) -> Option<Lease> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(connection) = state.share(origin, now) {
            return Some(Lease::Http2(self.lease(origin, connection)));
        }
        if may_be_stale { state.take(origin, now).map(Lease::Http1) } else { None }
    }

    /// Waits for the right to open a connection to an origin that may speak HTTP/2: one connection suffices
    /// then.
    pub(crate) async fn lock_opening(&self, origin: &Origin) -> Option<OwnedMutexGuard<()>> {
        let lock = self.lock().opening(origin)?;
        Some(lock.lock_owned().await)
    }

    /// Waits for the place of a new connection, and makes room by closing the longest unused one.
    pub(crate) async fn place(&self, deadline: &Deadline) -> Result<OwnedSemaphorePermit, LocalFault> {
        let shared = &self.shared;
        if let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::new(&shared.waiting);
        self.lock().evict();
        let place = deadline.local_wait("outbound connection", Arc::clone(&shared.places).acquire_owned());
        place.await?.map_err(|_| unreachable_place())
    }

    /// Records that an origin speaks HTTP/1.1.
    pub(crate) fn opened(&self, origin: &Origin) {
        self.lock().note_protocol(origin, false);
    }

    /// Makes a new connection available to other requests.
    pub(crate) fn share(&self, origin: &Origin, connection: Http2) -> SharedLease {
        let connection = Arc::new(connection);
        connection.enter();
        self.lock().add_shared(origin, Arc::clone(&connection));
        self.start_sweeper();
        self.lease(origin, connection)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn put(&self, origin: &Origin, connection: Http1) {
        let (now, limits) = (Instant::now(), &self.shared.limits);
        let until = connection.usable_until(now, limits.idle_timeout);
        if until <= now || self.shared.is_wanted() {
            return;
        }
        self.lock().add_unused(origin, connection, until, now, limits);
        self.start_sweeper();
    }

    fn lease(&self, origin: &Origin, connection: Arc<Http2>) -> SharedLease {
        SharedLease { connection, pool: self.clone(), origin: origin.clone(), has_ended: false }
    }

    fn start_sweeper(&self) {
        self.shared
            .sweeper
            .get_or_init(|| AbortOnDropHandle::new(tokio::spawn(sweep(Arc::downgrade(&self.shared)))));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

/// Returns the fault for a closed semaphore, which is never closed.
fn unreachable_place() -> LocalFault {
    use rdev_webhooks_domain::ports::LocalCause;
    LocalFault { cause: LocalCause::Capacity, detail: "the connection pool is closed".to_owned() }
}

impl Shared {
    /// Returns whether a request waits for the place of an unused connection.
    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request as waiting for a place, as long as it waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Closes connections that have been unused for too long, until the pool is dropped.
async fn sweep(shared: Weak<Shared>) {
    let mut ticks = interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        if let Some(before) = Instant::now().checked_sub(shared.limits.idle_timeout) {
            shared.lock().evict_unused_since(before);
        }
    }
}
