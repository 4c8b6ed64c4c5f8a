//! The number of attempts that one webhook may have under way, for deliveries that are claimed ahead of their attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest wait of a delivery for its attempt. It is released then, so that its retries and other workers need not
/// wait for an endpoint that has become slow.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// The permits of a webhook's attempts.
#[derive(Debug)]
pub(super) struct Permits {
    free: Arc<Semaphore>,
    /// Number of attempts that ended otherwise than a claim ahead expects.
    setbacks: AtomicU64,
}

impl Permits {
    pub(super) fn new(cap: u32) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(cap as usize));
        Arc::new(Self { free, setbacks: AtomicU64::new(0) })
    }

    /// Turns away the deliveries that wait: the endpoint may get fewer at a time.
    pub(super) fn set_back(&self) {
        self.setbacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the place of a delivery in the line for an attempt.
    pub(super) fn place(self: &Arc<Self>) -> Place {
        Place { permits: Arc::clone(self), setbacks: self.setbacks.load(Ordering::Relaxed) }
    }
}

/// The place of a claimed delivery in the line for an attempt.
pub(super) struct Place {
    permits: Arc<Permits>,
    setbacks: u64,
}

impl Place {
    /// Waits until the attempt may begin, which ends with the permit. Returns `None` if the delivery is to be released
    /// instead: the endpoint has failed or become slow meanwhile.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let free = &self.permits.free;
        if let Ok(permit) = Arc::clone(free).try_acquire_owned() {
            return Some(permit);
        }
        let permit = tokio::time::timeout(MAX_WAIT, Arc::clone(free).acquire_owned()).await.ok()?.ok()?;
        (self.permits.setbacks.load(Ordering::Relaxed) == self.setbacks).then_some(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_waits_for_a_permit() {
        let permits = Permits::new(1);
        let held = permits.place().permit().await;
        let next = tokio::spawn(async move { permits.place().permit().await });
        tokio::task::yield_now().await;
        assert!(!next.is_finished());
        drop(held);
        assert!(next.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_turned_away_after_a_setback_and_after_half_a_second() {
        let permits = Permits::new(1);
        let held = permits.place().permit().await;
        let (waiting, later) = (permits.place(), permits.place());
        let waiting = tokio::spawn(async move { waiting.permit().await });
        tokio::task::yield_now().await;
        permits.set_back();
        drop(held);
        assert!(waiting.await.unwrap().is_none());
        assert!(later.permit().await.is_some(), "without a wait it may begin");
        let _held = permits.place().permit().await;
        assert!(permits.place().permit().await.is_none());
    }
}
