//! The connections of a pool.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use crate::http1::Http1;
use crate::http2::Http2;

/// The limits of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) idle: usize,
    pub(crate) idle_per_origin: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_age: Duration,
}

/// The origin of a request, for which a connection is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) is_https: bool,
    authority: Authority,
}

impl Origin {
    /// Returns the origin of a URL's URI, which has an authority.
    pub(crate) fn of(uri: &Uri) -> Self {
        let authority = uri.authority().cloned();
        Self {
            is_https: uri.scheme_str() == Some("https"),
            authority: authority.unwrap_or_else(|| Authority::from_static("invalid")),
        }
    }
}

/// The maximum number of origins whose protocol is kept.
const MAX_PROTOCOLS: usize = 16_384;
/// The number of leftover locks at which they are removed.
const MAX_LOCKS: usize = 1_024;

#[derive(Default)]
pub(crate) struct State {
    origins: HashMap<Origin, Connections>,
    /// The unused connections, in the order in which they became unused.
    idle: BTreeMap<u64, (Instant, Origin)>,
    next: u64,
    /// Whether the connections to an origin used HTTP/2.
    protocols: HashMap<Origin, bool>,
    locks: HashMap<Origin, Weak<AsyncMutex<()>>>,
}

/// The connections to one origin.
#[derive(Default)]
struct Connections {
    unused: Vec<Unused>,
    shared: Option<Arc<Http2>>,
    /// The position of the shared connection among the unused ones, if it is unused.
    shared_unused: Option<u64>,
}

struct Unused {
    number: u64,
    until: Instant,
    connection: Http1,
}

impl State {
    /// Takes the connection for one request that was used last.
    pub(crate) fn take(&mut self, origin: &Origin, now: Instant) -> Option<Http1> {
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
    pub(crate) fn share(&mut self, origin: &Origin, now: Instant) -> Option<Arc<Http2>> {
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

    /// Keeps a connection for one request at a time.
    pub(crate) fn add_unused(
        &mut self,
        origin: &Origin,
        connection: Http1,
        until: Instant,
        now: Instant,
        limits: &Limits,
    ) {
        let unused = self.origins.get(origin).map_or(0, |connections| connections.unused.len());
        if unused >= limits.idle_per_origin {
            return;
        }
        let number = self.add_idle(origin, now);
        let connections = self.origins.entry(origin.clone()).or_default();
        connections.unused.push(Unused { number, until, connection });
        self.evict_beyond(limits.idle);
    }

    /// Keeps a connection that requests share.
    pub(crate) fn add_shared(&mut self, origin: &Origin, connection: Arc<Http2>) {
        self.note_protocol(origin, true);
        self.forget_shared(origin);
        self.origins.entry(origin.clone()).or_default().shared = Some(connection);
    }

    /// Ends a request on a shared connection.
    pub(crate) fn release(
        &mut self,
        origin: &Origin,
        connection: &Arc<Http2>,
        is_wanted: bool,
        limits: &Limits,
        now: Instant,
    ) {
        let Some(connections) = self.origins.get_mut(origin) else { return };
        if !connections.shared.as_ref().is_some_and(|known| Arc::ptr_eq(known, connection)) {
            return;
        }
        if !connection.is_usable(now) {
            self.forget_shared(origin);
        } else if connection.is_idle() && connections.shared_unused.is_none() {
            if is_wanted {
                self.forget_shared(origin);
                return;
            }
            let number = self.add_idle(origin, now);
            if let Some(connections) = self.origins.get_mut(origin) {
                connections.shared_unused = Some(number);
            }
            self.evict_beyond(limits.idle);
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

    /// Closes the connection that has been unused longest. Returns false if none is unused.
    pub(crate) fn evict(&mut self) -> bool {
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
    pub(crate) fn evict_unused_since(&mut self, before: Instant) {
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

    pub(crate) fn note_protocol(&mut self, origin: &Origin, is_http2: bool) {
        if !origin.is_https || self.protocols.get(origin) == Some(&is_http2) {
            return;
        }
        if self.protocols.len() >= MAX_PROTOCOLS {
            self.protocols.clear();
        }
        self.protocols.insert(origin.clone(), is_http2);
    }

    /// Returns the lock for opening a connection to an origin that may speak HTTP/2; `None` for others.
    pub(crate) fn opening(&mut self, origin: &Origin) -> Option<Arc<AsyncMutex<()>>> {
        if !origin.is_https || self.protocols.get(origin) == Some(&false) {
            return None;
        }
        if let Some(lock) = self.locks.get(origin).and_then(Weak::upgrade) {
            return Some(lock);
        }
        if self.locks.len() >= MAX_LOCKS {
            self.locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(AsyncMutex::new(()));
        self.locks.insert(origin.clone(), Arc::downgrade(&lock));
        Some(lock)
    }
}
