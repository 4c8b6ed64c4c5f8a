//! The tasks that the system needs.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

/// Monitors the tasks that the system needs.
pub(super) struct Needed {
    pub(super) drain: CancellationToken,
    pub(super) failed: CancellationToken,
}

impl Needed {
    /// Starts a task. If it panics, or ends before it is requested to, the system fails.
    pub(super) fn task(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (drain, failed) = (self.drain.clone(), self.failed.clone());
        async move {
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if panicked || !drain.is_cancelled() {
                tracing::error!(task = name, panicked, "essential task ended");
                failed.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fails(ended_by_drain: bool, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let needed = Needed { drain: CancellationToken::new(), failed: CancellationToken::new() };
        if ended_by_drain {
            needed.drain.cancel();
        }
        tokio::spawn(needed.task("test", task)).await.unwrap();
        needed.failed.is_cancelled()
    }

    #[tokio::test]
    async fn the_system_fails_when_a_task_ends_unexpectedly() {
        assert!(fails(false, async { panic!("a defect") }).await);
        assert!(fails(true, async { panic!("a defect") }).await);
        assert!(fails(false, async {}).await);
        assert!(!fails(true, async {}).await);
    }
}
