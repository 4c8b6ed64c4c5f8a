//! What was published, what arrived, and how long it took: by it nothing is lost or doubled unnoticed.
//!
//! Publishing an event takes as many places in the ledger as it has deliveries. The first of them goes
//! along in the event's data as `n`, with the time as `t`; webhook number `w` is delivered to the path
//! `/w`, and so ticks off the place `n + w`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, Outcome};

/// A run's book. Shared by publishers and receiver; nobody waits for anybody.
pub(crate) struct Ledger {
    began: Instant,
    /// For each place the latency of its first arrival, in microseconds from 1; 0 while there is none.
    places: Box<[AtomicU32]>,
    next: AtomicUsize,
    arrived: AtomicU64,
    duplicates: AtomicU64,
    strangers: AtomicU64,
    last_arrival_us: AtomicU64,
}

impl Ledger {
    /// A book with so many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            places: (0..places).map(|_| AtomicU32::new(0)).collect(),
            next: AtomicUsize::new(0),
            arrived: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            last_arrival_us: AtomicU64::new(0),
        })
    }

    /// Microseconds since the run began.
    pub(crate) fn now_us(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// Takes the places of one event; none when the book is full.
    pub(crate) fn take(&self, fan_out: usize) -> Option<usize> {
        let place = self.next.fetch_add(fan_out, Relaxed);
        (place + fan_out <= self.places.len()).then_some(place)
    }

    /// Where the next event's places begin.
    pub(crate) fn mark(&self) -> usize {
        self.next.load(Relaxed).min(self.places.len())
    }

    /// Ticks off a delivery of the event of `place`, published at `sent_us`, to webhook number `webhook`.
    pub(crate) fn arrive(&self, place: usize, sent_us: u64, webhook: usize) {
        let now = self.now_us();
        let Some(slot) = self.places.get(place + webhook) else {
            self.strangers.fetch_add(1, Relaxed);
            return;
        };
        let latency = u32::try_from(now.saturating_sub(sent_us)).unwrap_or(u32::MAX).max(1);
        if slot.compare_exchange(0, latency, Relaxed, Relaxed).is_ok() {
            self.arrived.fetch_add(1, Relaxed);
            self.last_arrival_us.fetch_max(now, Relaxed);
        } else {
            self.duplicates.fetch_add(1, Relaxed);
        }
    }

    /// Something came that nobody published.
    pub(crate) fn stranger(&self) {
        self.strangers.fetch_add(1, Relaxed);
    }

    /// How many places were ticked off.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// When the last one was, in microseconds since the run began.
    pub(crate) fn last_arrival_us(&self) -> u64 {
        self.last_arrival_us.load(Relaxed)
    }

    /// How many deliveries came again, and how many that nobody had published.
    pub(crate) fn surplus(&self) -> (u64, u64) {
        (self.duplicates.load(Relaxed), self.strangers.load(Relaxed))
    }

    /// The latencies of the places from `from` on, sorted; and how many of the places are empty.
    pub(crate) fn latencies(&self, from: usize) -> (Vec<u32>, usize) {
        self.latencies_between(from, self.mark())
    }

    /// The same of the places up to another.
    pub(crate) fn latencies_between(&self, from: usize, to: usize) -> (Vec<u32>, usize) {
        let places = &self.places[from..to.min(self.mark())];
        let mut found: Vec<_> = places.iter().map(|place| place.load(Relaxed)).filter(|us| *us > 0).collect();
        found.sort_unstable();
        let missing = places.len() - found.len();
        (found, missing)
    }

    /// Waits until everything that was published has arrived.
    pub(crate) async fn all_arrived(&self, deadline: Duration) -> Outcome<()> {
        let expected = self.mark() as u64;
        let arriving = async {
            let mut tick = tokio::time::interval(Duration::from_millis(2));
            while self.arrived() < expected {
                tick.tick().await;
            }
        };
        tokio::time::timeout(deadline, arriving).await.map_err(|_| -> Failure {
            format!("{} of {expected} deliveries arrived within {deadline:?}", self.arrived()).into()
        })
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_again_is_a_duplicate_and_what_was_never_sent_a_stranger() {
        let ledger = Ledger::new(4);
        assert_eq!(ledger.take(2), Some(0));
        tokio::time::advance(Duration::from_millis(3)).await;
        ledger.arrive(0, 1_000, 1);
        ledger.arrive(0, 1_000, 1);
        ledger.arrive(9, 1_000, 0);
        assert_eq!(ledger.surplus(), (1, 1));
        assert_eq!(ledger.latencies(0), (vec![2_000], 1));
        assert!(ledger.all_arrived(Duration::from_millis(10)).await.is_err());
        ledger.arrive(0, 1_000, 0);
        ledger.all_arrived(Duration::from_millis(10)).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_ledger_takes_no_more() {
        let ledger = Ledger::new(3);
        assert_eq!(ledger.take(2), Some(0));
        assert_eq!(ledger.take(2), None);
    }
}
