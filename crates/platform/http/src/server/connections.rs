//! The open connections: their maximum number, and which one is closed to make room.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Number of connections beyond the limit that are accepted for probes while all others are busy.
const PROBE_CONNECTIONS: usize = 64;
/// Maximum number of connections without a complete head that are closed at once, so that in a flood each
/// costs little.
const EVICTED_AT_ONCE: usize = 32;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection is new, or has sent part of a head.
    Head,
    /// A request is being answered.
    Serving,
    /// The response is being written, as fast as the client accepts it.
    Finishing,
    /// The connection waits for its next request.
    Idle,
}

/// An open connection.
pub(super) struct Connection {
    origin: Origin,
    /// True if only `/healthz` and `/readyz` are answered.
    pub(super) is_for_probes: bool,
    /// The phase in the lowest two bits, and above them its start in milliseconds after the base.
    phase: AtomicU64,
    base: Instant,
    evicted: CancellationToken,
}

impl Connection {
    pub(super) fn enter(&self, phase: Phase) {
        let since = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX >> 2);
        self.phase.store(since << 2 | phase as u64, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        self.read().0
    }

    /// Returns the phase and its start.
    pub(super) fn read(&self) -> (Phase, Instant) {
        let packed = self.phase.load(Ordering::Relaxed);
        let phase = match packed & 3 {
            0 => Phase::Head,
            1 => Phase::Serving,
            2 => Phase::Finishing,
            _ => Phase::Idle,
        };
        (phase, self.base + Duration::from_millis(packed >> 2))
    }

    /// Waits until the connection must make room for another.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

/// All connections of a server.
pub(super) struct Connections {
    max: usize,
    base: Instant,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Arc<Connection>>,
    for_probes: usize,
}

/// A place among the connections; dropping it frees the place.
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), base: Instant::now(), table: Mutex::default() }
    }

    /// Admits a connection from this address, and closes a waiting one if there is no room. If all others are
    /// busy, the connection is for probes only; returns `None` if there is no room for these either.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut table = self.table();
        if table.regular() >= self.max {
            table.evict();
        }
        let is_for_probes = table.regular() >= self.max;
        if is_for_probes && table.for_probes >= PROBE_CONNECTIONS {
            return None;
        }
        let connection = Arc::new(Connection {
            origin: Origin::from(address),
            is_for_probes,
            phase: AtomicU64::new(0),
            base: self.base,
            evicted: CancellationToken::new(),
        });
        connection.enter(Phase::Head);
        let id = table.next;
        table.next += 1;
        table.for_probes += usize::from(is_for_probes);
        table.open.insert(id, Arc::clone(&connection));
        Some(Place { connections: Arc::clone(self), id, connection })
    }

    /// Closes some waiting connections. Returns whether there were any.
    pub(super) fn evict(&self) -> bool {
        self.table().evict()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().remove(self.id);
    }
}

impl Table {
    fn regular(&self) -> usize {
        self.open.len() - self.for_probes
    }

    fn remove(&mut self, id: u64) {
        if let Some(gone) = self.open.remove(&id) {
            self.for_probes -= usize::from(gone.is_for_probes);
        }
    }

    /// Closes some connections without a complete head, of the address that has most of these. If there are
    /// none, closes the connection that has been idle longest, of the address that has most idle ones.
    fn evict(&mut self) -> bool {
        let mut victims = self.longest_of_heaviest(Phase::Head);
        // At least one, and at most half of a crowd.
        victims.truncate((victims.len() / 2).clamp(1, EVICTED_AT_ONCE));
        if victims.is_empty() {
            victims = self.longest_of_heaviest(Phase::Idle);
            victims.truncate(1);
        }
        for id in &victims {
            if let Some(connection) = self.open.get(id) {
                connection.evicted.cancel();
            }
            self.remove(*id);
        }
        !victims.is_empty()
    }

    /// Returns the connections in a phase of the address that has most of these, the longest in the phase
    /// first.
    fn longest_of_heaviest(&self, phase: Phase) -> Vec<u64> {
        let in_phase = || self.open.iter().filter(|(_, connection)| connection.phase() == phase);
        let mut counts: HashMap<Origin, usize> = HashMap::new();
        for (_, connection) in in_phase() {
            *counts.entry(connection.origin).or_default() += 1;
        }
        let Some((heaviest, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            return Vec::new();
        };
        let mut of_heaviest: Vec<(Instant, u64)> = in_phase()
            .filter(|(_, connection)| connection.origin == heaviest)
            .map(|(id, connection)| (connection.read().1, *id))
            .collect();
        of_heaviest.sort_unstable();
        of_heaviest.into_iter().map(|(_, id)| id).collect()
    }
}

/// The origin of connections: an IPv4 address, or the 64-bit network of an IPv6 address, which one customer
/// has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) >> 64 << 64;
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
            address => Self(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(connections: &Arc<Connections>, address: &str) -> Place {
        connections.admit(address.parse().unwrap()).unwrap()
    }

    fn is_evicted(place: &Place) -> bool {
        place.connection.evicted.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_half_sent_head_of_the_busiest_address_is_closed() {
        let connections = Arc::new(Connections::new(6));
        let lonely = admit(&connections, "192.0.2.1");
        let mut crowd = Vec::new();
        for _ in 0..5 {
            tokio::time::advance(Duration::from_millis(10)).await;
            crowd.push(admit(&connections, "2001:db8::1"));
        }
        crowd[0].connection.enter(Phase::Serving);
        crowd[1].connection.enter(Phase::Idle);
        let newcomer = admit(&connections, "2001:db8::2");
        let evicted: Vec<_> = crowd.iter().map(is_evicted).collect();
        assert_eq!(evicted, [false, false, true, false, false]);
        assert!(!is_evicted(&lonely) && !is_evicted(&newcomer) && !newcomer.connection.is_for_probes);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_closed_and_busy_ones_are_not() {
        let connections = Arc::new(Connections::new(2));
        let (serving, idle) = (admit(&connections, "192.0.2.1"), admit(&connections, "192.0.2.1"));
        serving.connection.enter(Phase::Serving);
        idle.connection.enter(Phase::Idle);
        let newcomer = admit(&connections, "192.0.2.2");
        assert!(is_evicted(&idle) && !is_evicted(&serving) && !newcomer.connection.is_for_probes);
    }

    #[tokio::test(start_paused = true)]
    async fn probes_are_admitted_while_all_others_are_busy() {
        let connections = Arc::new(Connections::new(1));
        let serving = admit(&connections, "192.0.2.1");
        serving.connection.enter(Phase::Serving);
        let mut probes = Vec::new();
        for _ in 0..PROBE_CONNECTIONS {
            let probe = admit(&connections, "192.0.2.2");
            assert!(probe.connection.is_for_probes);
            probe.connection.enter(Phase::Serving);
            probes.push(probe);
        }
        assert!(connections.admit("192.0.2.3".parse().unwrap()).is_none());
        probes[7].connection.enter(Phase::Head);
        assert!(admit(&connections, "192.0.2.3").connection.is_for_probes);
        drop(serving);
        assert!(!admit(&connections, "192.0.2.3").connection.is_for_probes);
    }
}
