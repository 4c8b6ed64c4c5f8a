//! The ledger: which deliveries were published, which arrived, and how long each took. It reveals every lost
//! and every duplicate delivery.
//!
//! Publishing an event takes one place in the ledger per delivery. The event's data carries the first place
//! as `n`, and the time as `t`; the delivery to webhook number `w` arrives at the path `/w`, and so ticks off
//! the place `n + w`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, Outcome};

/// The ledger of a run. Publishers and receiver share it without locks.
pub(crate) struct Ledger {
    began: Instant,
    /// For each place the latency of its first arrival, in microseconds from 1; 0 before the arrival.
    places: Box<[AtomicU32]>,
    next: AtomicUsize,
    arrived: AtomicU64,
    duplicates: AtomicU64,
    strangers: AtomicU64,
    last_arrival_us: AtomicU64,
}

impl Ledger {
    /// Creates a ledger with the given number of places.
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

    /// Returns the microseconds since the run began.
    pub(crate) fn now_us(&self) -> u64 {
        micros(self.began.elapsed())
    }

    /// Takes the places of one event; returns the first, or `None` if the ledger is full.
    pub(crate) fn take(&self, fan_out: usize) -> Option<usize> {
        let place = self.next.fetch_add(fan_out, Relaxed);
        (place + fan_out <= self.places.len()).then_some(place)
    }

    /// Returns the first place of the next event.
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

    /// Counts a delivery that was never published.
    pub(crate) fn stranger(&self) {
        self.strangers.fetch_add(1, Relaxed);
    }

    /// Returns the number of places ticked off.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// Returns the time of the last arrival, in microseconds since the run began.
    pub(crate) fn last_arrival_us(&self) -> u64 {
        self.last_arrival_us.load(Relaxed)
    }

    /// Returns the number of duplicate deliveries, and of those never published.
    pub(crate) fn surplus(&self) -> (u64, u64) {
        (self.duplicates.load(Relaxed), self.strangers.load(Relaxed))
    }

    /// Returns the sorted latencies of the places from `from` on, and the number of empty ones.
    pub(crate) fn latencies(&self, from: usize) -> (Vec<u32>, usize) {
        self.latencies_between(from, self.mark())
    }

    /// Like [`Self::latencies`], for the places before `to`.
    pub(crate) fn latencies_between(&self, from: usize, to: usize) -> (Vec<u32>, usize) {
        let places = &self.places[from..to.min(self.mark())];
        let mut found: Vec<_> = places.iter().map(|place| place.load(Relaxed)).filter(|us| *us > 0).collect();
        found.sort_unstable();
        let missing = places.len() - found.len();
        (found, missing)
    }

    /// Waits until every published delivery has arrived.
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
    async fn a_second_arrival_is_a_duplicate_and_an_unpublished_one_a_stranger() {
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
    async fn a_full_ledger_takes_no_event() {
        let ledger = Ledger::new(3);
        assert_eq!(ledger.take(2), Some(0));
        assert_eq!(ledger.take(2), None);
    }
}
