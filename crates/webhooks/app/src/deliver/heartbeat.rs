//! The liveness of the worker and of the other tasks that a process needs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time without a look at the queue after which a worker is late: many times the poll interval, and longer
/// than a slow statement.
const LATE_AFTER: Duration = Duration::from_secs(5);

/// The liveness of a process: when its worker last looked at the queue with success, and whether a required
/// task has ended. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    looked_at: Arc<Mutex<Option<Instant>>>,
    failed: CancellationToken,
    stopping: CancellationToken,
}

impl Heartbeat {
    /// Records that the worker has looked at the queue, or is starting.
    pub(super) fn beat(&self) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns how long the worker has been silent, if that is too long. A process without a worker is never
    /// late.
    #[must_use]
    pub fn late_by(&self) -> Option<Duration> {
        let last = *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed()).filter(|silent| *silent > LATE_AFTER)
    }

    /// Returns the token that the owner of the tasks cancels when a required task has ended.
    #[must_use]
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// Returns the token that is cancelled when the process is about to stop: it works, but is not ready for
    /// more.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_worker_that_was_started_can_be_late() {
        let heartbeat = Heartbeat::default();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(heartbeat.late_by(), None);
        heartbeat.beat();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(heartbeat.late_by(), None);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(heartbeat.late_by(), Some(Duration::from_secs(8)));
        heartbeat.beat();
        assert_eq!(heartbeat.late_by(), None);
    }
}
