//! Whether a worker, and what else a process needs, is at work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A worker that has not looked at the queue for this long is not at work: many times the poll interval,
/// and longer than a slow statement.
const LATE_AFTER: Duration = Duration::from_secs(5);

/// Says when the worker of this process last looked at the queue with success, and whether a task has ended
/// that the process cannot do without. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    looked_at: Arc<Mutex<Option<Instant>>>,
    failed: CancellationToken,
    stopping: CancellationToken,
}

impl Heartbeat {
    /// The worker has looked at the queue, or is just starting to.
    pub(super) fn beat(&self) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long the worker has been silent, if that is too long. A process without a worker is never late.
    #[must_use]
    pub fn late_by(&self) -> Option<Duration> {
        let last = *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed()).filter(|silent| *silent > LATE_AFTER)
    }

    /// Cancelled, by whoever runs the tasks, once one has ended that the process cannot do without.
    #[must_use]
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// Cancelled once the process is about to stop: it works, but is not ready for more.
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
