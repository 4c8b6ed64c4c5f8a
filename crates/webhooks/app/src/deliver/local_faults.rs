//! Counts and logs of attempts that this host could not make.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{LocalCause, LocalFault};
use tokio::time::Instant;

use crate::metrics::LocalFaultCounters;

/// Time without a fault of the same cause after which an outage is over: longer than the longest pause
/// between two attempts of one webhook.
const OVER_AFTER: Duration = Duration::from_secs(60);

/// The local faults of a worker: logs one line when an outage begins and one when it ends.
pub(super) struct LocalFaults {
    counters: LocalFaultCounters,
    any: AtomicBool,
    outages: Mutex<Vec<Outage>>,
}

#[derive(Debug)]
struct Outage {
    cause: LocalCause,
    began: Instant,
    last: Instant,
    attempts: u64,
}

impl LocalFaults {
    pub(super) fn new() -> Self {
        Self { counters: LocalFaultCounters::new(), any: AtomicBool::new(false), outages: Mutex::default() }
    }

    /// Records an attempt that could not be made.
    pub(super) fn not_attempted(&self, fault: &LocalFault) {
        self.counters.increment(fault.cause);
        let now = Instant::now();
        let mut outages = self.lock();
        end_outages(&mut outages, now);
        if let Some(outage) = outages.iter_mut().find(|outage| outage.cause == fault.cause) {
            outage.last = now;
            outage.attempts += 1;
        } else {
            outages.push(Outage { cause: fault.cause, began: now, last: now, attempts: 1 });
            tracing::warn!(
                cause = fault.cause.as_str(),
                detail = fault.detail,
                "local fault: deliveries are waiting"
            );
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// Records an attempt that was made.
    pub(super) fn attempted(&self) {
        if self.any.load(Ordering::Relaxed) {
            let mut outages = self.lock();
            end_outages(&mut outages, Instant::now());
            self.any.store(!outages.is_empty(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Outage>> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_outages(outages: &mut Vec<Outage>, now: Instant) {
    outages.retain(|outage| {
        let is_over = now.duration_since(outage.last) >= OVER_AFTER;
        if is_over {
            let lasted = outage.last.duration_since(outage.began);
            tracing::info!(
                cause = outage.cause.as_str(),
                attempts = outage.attempts,
                duration_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX),
                "local fault ended: deliveries are sent again"
            );
        }
        !is_over
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(cause: LocalCause) -> LocalFault {
        LocalFault { cause, detail: "too many open files".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_ends_when_its_cause_has_not_occurred_for_a_while() {
        let faults = LocalFaults::new();
        faults.not_attempted(&fault(LocalCause::Resources));
        faults.not_attempted(&fault(LocalCause::Network));
        tokio::time::advance(OVER_AFTER / 2).await;
        faults.not_attempted(&fault(LocalCause::Network));
        faults.attempted();
        assert_eq!(faults.lock().len(), 2);
        tokio::time::advance(OVER_AFTER / 2).await;
        faults.attempted();
        let left: Vec<_> = faults.lock().iter().map(|outage| (outage.cause, outage.attempts)).collect();
        assert_eq!(left, [(LocalCause::Network, 2)]);
        tokio::time::advance(OVER_AFTER).await;
        faults.attempted();
        assert!(faults.lock().is_empty() && !faults.any.load(Ordering::Relaxed));
    }
}
