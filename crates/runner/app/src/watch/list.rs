//! A watched list of commands.

use std::time::Duration;

use rdev_app::StreamPermit;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The shortest pause between two looks at a list, and the longest one: the signals of another process may be lost.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A watcher of a list of commands; dropping it ends it.
pub struct ListWatch {
    permit: StreamPermit,
    changes: watch::Receiver<()>,
    closed: CancellationToken,
}

impl ListWatch {
    pub(super) const fn new(
        permit: StreamPermit,
        changes: watch::Receiver<()>,
        closed: CancellationToken,
    ) -> Self {
        Self { permit, changes, closed }
    }

    /// Waits until the list may be another one. Returns whether the watcher may go on: the process may be stopping, or
    /// another key need the stream.
    pub async fn next(&mut self) -> bool {
        let Self { permit, changes, closed } = self;
        let waiting = async {
            sleep(MIN_PAUSE).await;
            // The sender lives as long as the use case; without a signal in time it is a look without one.
            let _ = timeout(MAX_PAUSE - MIN_PAUSE, changes.changed()).await;
        };
        tokio::select! {
            () = permit.lost() => false,
            () = closed.cancelled() => false,
            () = waiting => true,
        }
    }
}
