//! The connections that deliveries share.
//!
//! A connection is kept for the next request to the same origin until it was unused for too long, is too old,
//! or its place is wanted. All connections together have a bound, and those that are unused another; the
//! longest unused goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use rdev_webhooks_domain::AttemptFailure;
use rdev_webhooks_domain::ports::LocalFault;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::deadline::Deadline;
use crate::http1::Http1;
use crate::http2::Http2;

/// How often unused connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How many origins' protocols are remembered.
const MAX_PROTOCOLS: usize = 16_384;
/// How many locks may be left over before they are cleared away.
const MAX_LOCKS: usize = 1_024;

/// The bounds of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) idle: usize,
    pub(crate) idle_per_origin: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_age: Duration,
}

/// Where a request goes: what a connection is kept for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    is_https: bool,
    authority: Authority,
}

impl Origin {
    /// The origin of a URL's URI, which has an authority.
    pub(crate) fn of(uri: &Uri) -> Self {
        let authority = uri.authority().cloned();
        Self {
            is_https: uri.scheme_str() == Some("https"),
            authority: authority.unwrap_or_else(|| Authority::from_static("invalid")),
        }
    }
}

/// Why no response came.
pub(crate) struct SendError {
    pub(crate) failure: AttemptFailure,
    pub(crate) unprocessed: Unprocessed,
}

/// Whether the endpoint has not processed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unprocessed {
    /// It has not, so the request may be sent again.
    Certainly,
    /// It may have.
    Unknown,
}

/// A connection for one request.
pub(crate) enum Lease {
    Http1(Http1),
    Http2(SharedLease),
}

/// A request's part of a shared connection. Unless the request ended by itself, nobody else uses the
/// connection any more, and it is closed with the last request on it.
pub(crate) struct SharedLease {
    pub(crate) connection: Arc<Http2>,
    pool: Pool,
    origin: Origin,
    has_ended: bool,
}

impl SharedLease {
    /// Notes that the request ended by itself, and not by its deadline.
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
        self.pool.lock().release(&self.origin, &self.connection, &self.pool.shared, Instant::now());
    }
}

#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    places: Arc<Semaphore>,
    /// How many requests wait for a place.
    waiting: AtomicUsize,
    state: Mutex<State>,
    sweeper: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct State {
    origins: HashMap<Origin, Connections>,
    /// The unused connections since when, in that order.
    idle: BTreeMap<u64, (Instant, Origin)>,
    next: u64,
    /// Whether the connections to an origin were HTTP/2 ones.
    protocols: HashMap<Origin, bool>,
    locks: HashMap<Origin, Weak<AsyncMutex<()>>>,
}

/// The connections to one origin.
#[derive(Default)]
struct Connections {
    unused: Vec<Unused>,
    shared: Option<Arc<Http2>>,
    /// Its place among the unused, if the shared one is unused.
    shared_unused: Option<u64>,
}

struct Unused {
    number: u64,
    until: Instant,
    connection: Http1,
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

    /// When a connection that is opened now becomes too old.
    pub(crate) fn expiry(&self) -> Instant {
        Instant::now() + self.shared.limits.max_age
    }

    /// Returns a connection that is there already; one for one request at a time only if it `may_be_stale`.
    pub(crate) fn reuse(&self, origin: &Origin, may_be_stale: bool) -> Option<Lease> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(connection) = state.share(origin, now) {
            return Some(Lease::Http2(self.lease(origin, connection)));
        }
        if may_be_stale { state.take(origin, now).map(Lease::Http1) } else { None }
    }

    /// Waits for the right to open a connection to an origin that may speak HTTP/2: one is enough then.
    pub(crate) async fn lock_opening(&self, origin: &Origin) -> Option<OwnedMutexGuard<()>> {
        let lock = {
            let mut state = self.lock();
            if !origin.is_https || state.protocols.get(origin) == Some(&false) {
                return None;
            }
            state.opening(origin)
        };
        Some(lock.lock_owned().await)
    }

    /// Waits for the place of a new connection, and makes one by closing the longest unused.
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

    /// Notes that an origin speaks HTTP/1.1.
    pub(crate) fn opened(&self, origin: &Origin) {
        self.lock().note_protocol(origin, false);
    }

    /// Lets others share a new connection.
    pub(crate) fn share(&self, origin: &Origin, connection: Http2) -> SharedLease {
        let connection = Arc::new(connection);
        connection.enter();
        let mut state = self.lock();
        state.note_protocol(origin, true);
        state.forget_shared(origin);
        state.origins.entry(origin.clone()).or_default().shared = Some(Arc::clone(&connection));
        drop(state);
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
        let mut state = self.lock();
        let unused = state.origins.get(origin).map_or(0, |connections| connections.unused.len());
        if unused >= limits.idle_per_origin {
            return;
        }
        let number = state.add_idle(origin, now);
        let connections = state.origins.entry(origin.clone()).or_default();
        connections.unused.push(Unused { number, until, connection });
        state.evict_beyond(limits.idle);
        drop(state);
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

/// The semaphore of the places is never closed.
fn unreachable_place() -> LocalFault {
    use rdev_webhooks_domain::ports::LocalCause;
    LocalFault { cause: LocalCause::Capacity, detail: "the connection pool is closed".to_owned() }
}

impl Shared {
    /// Whether somebody waits for the place of an unused connection.
    fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the connection for one request that was used last.
    fn take(&mut self, origin: &Origin, now: Instant) -> Option<Http1> {
        let connections = self.origins.get_mut(origin)?;
        let mut found = None;
        while let Some(unused) = connections.unused.pop() {
            self.idle.remove(&unused.number);
            if now < unused.until && unused.connection.is_usable(now) {
                found = Some(unused.connection);
                break;
            }
        }
        self.forget_if_empty(origin);
        found
    }

    /// Joins the connection that requests share.
    fn share(&mut self, origin: &Origin, now: Instant) -> Option<Arc<Http2>> {
        let connections = self.origins.get_mut(origin)?;
        let connection = connections.shared.clone()?;
        if !connection.is_usable(now) {
            self.forget_shared(origin);
            return None;
        }
        connection.enter();
        if let Some(number) = connections.shared_unused.take() {
            self.idle.remove(&number);
        }
        Some(connection)
    }

    /// A request on a shared connection is over.
    fn release(&mut self, origin: &Origin, connection: &Arc<Http2>, shared: &Shared, now: Instant) {
        let Some(connections) = self.origins.get_mut(origin) else { return };
        if !connections.shared.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection)) {
            return;
        }
        if !connection.is_usable(now) {
            self.forget_shared(origin);
        } else if connection.is_idle() && connections.shared_unused.is_none() {
            if shared.is_wanted() {
                self.forget_shared(origin);
                return;
            }
            let number = self.add_idle(origin, now);
            if let Some(connections) = self.origins.get_mut(origin) {
                connections.shared_unused = Some(number);
            }
            self.evict_beyond(shared.limits.idle);
        }
    }

    fn forget_shared(&mut self, origin: &Origin) {
        if let Some(connections) = self.origins.get_mut(origin) {
            connections.shared = None;
            if let Some(number) = connections.shared_unused.take() {
                self.idle.remove(&number);
            }
        }
        self.forget_if_empty(origin);
    }

    fn add_idle(&mut self, origin: &Origin, now: Instant) -> u64 {
        self.next += 1;
        self.idle.insert(self.next, (now, origin.clone()));
        self.next
    }

    fn evict_beyond(&mut self, idle: usize) {
        while self.idle.len() > idle && self.evict() {}
    }

    /// Closes the connection that has been unused longest, if any is unused.
    fn evict(&mut self) -> bool {
        let Some((number, (_, origin))) = self.idle.pop_first() else { return false };
        if let Some(connections) = self.origins.get_mut(&origin) {
            connections.unused.retain(|unused| unused.number != number);
            if connections.shared_unused == Some(number) {
                (connections.shared, connections.shared_unused) = (None, None);
            }
        }
        self.forget_if_empty(&origin);
        true
    }

    /// Closes the connections that have been unused since `before`.
    fn evict_unused_since(&mut self, before: Instant) {
        while self.idle.first_key_value().is_some_and(|(_, (since, _))| *since <= before) {
            self.evict();
        }
    }

    fn forget_if_empty(&mut self, origin: &Origin) {
        let is_empty =
            |connections: &Connections| connections.unused.is_empty() && connections.shared.is_none();
        if self.origins.get(origin).is_some_and(is_empty) {
            self.origins.remove(origin);
        }
    }

    fn note_protocol(&mut self, origin: &Origin, is_http2: bool) {
        if !origin.is_https || self.protocols.get(origin) == Some(&is_http2) {
            return;
        }
        if self.protocols.len() >= MAX_PROTOCOLS {
            self.protocols.clear();
        }
        self.protocols.insert(origin.clone(), is_http2);
    }

    fn opening(&mut self, origin: &Origin) -> Arc<AsyncMutex<()>> {
        if let Some(lock) = self.locks.get(origin).and_then(Weak::upgrade) {
            return lock;
        }
        if self.locks.len() >= MAX_LOCKS {
            self.locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(AsyncMutex::new(()));
        self.locks.insert(origin.clone(), Arc::downgrade(&lock));
        lock
    }
}

/// Counts a request that waits for a place, for as long as it does.
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

/// Closes what has been unused for too long, until the pool is gone.
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
