//! The deadline of one attempt.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{LocalCause, LocalFault, MAX_LOCAL_WAIT};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// The deadline of one attempt. Waits for capacity of this host stop it, within a bound of their own.
#[derive(Debug)]
pub struct Deadline {
    limit: Duration,
    started: Instant,
    state: Mutex<State>,
    /// Notifies when the deadline continues after a wait.
    goes_on: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    at: Instant,
    /// The remaining time that the attempt may wait for capacity of this host.
    local_wait: Duration,
    stopped: bool,
}

impl Deadline {
    /// Starts a deadline that passes after `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let started = Instant::now();
        let state = State { at: started + limit, local_wait: MAX_LOCAL_WAIT, stopped: false };
        Self { limit, started, state: Mutex::new(state), goes_on: Notify::new() }
    }

    /// Returns how long the attempt may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns how long the attempt has taken, without its waits for capacity of this host.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.local_waits())
    }

    /// Returns how long the attempt has waited for capacity of this host.
    pub(crate) fn local_waits(&self) -> Duration {
        MAX_LOCAL_WAIT - self.lock().local_wait
    }

    /// Returns when the deadline passes, unless a later wait stops it.
    pub(crate) fn at(&self) -> Instant {
        self.lock().at
    }

    /// Resolves when the deadline has passed.
    pub(crate) async fn passed(&self) {
        loop {
            let state = *self.lock();
            let at = if state.stopped { state.at + state.local_wait } else { state.at };
            if Instant::now() >= at {
                return;
            }
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.goes_on.notified() => {}
            }
        }
    }

    /// Waits for capacity of this host, named by `what`, while the deadline stands still.
    ///
    /// # Errors
    ///
    /// Fails with a [`LocalFault`] once all such waits of the attempt took [`MAX_LOCAL_WAIT`] together.
    pub async fn local_wait<F: Future>(&self, what: &str, wait: F) -> Result<F::Output, LocalFault> {
        let began = Instant::now();
        let left = {
            let mut state = self.lock();
            state.stopped = true;
            state.local_wait
        };
        let ended = timeout(left, wait).await;
        let waited = began.elapsed();
        {
            let mut state = self.lock();
            state.stopped = false;
            state.at += waited;
            state.local_wait = state.local_wait.saturating_sub(waited);
        }
        if !waited.is_zero() {
            self.goes_on.notify_one();
        }
        ended.map_err(|_| LocalFault {
            cause: LocalCause::Capacity,
            detail: format!("no {what} became free within {} s", MAX_LOCAL_WAIT.as_secs()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_local_capacity_stops_the_deadline() {
        let (deadline, began) = (Deadline::new(SECOND), Instant::now());
        let waiting = async {
            deadline.local_wait("place", sleep(5 * SECOND)).await.unwrap();
            pending::<()>().await;
        };
        tokio::select! {
            () = deadline.passed() => {}
            () = waiting => unreachable!(),
        }
        assert_eq!(began.elapsed(), 6 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_local_capacity_are_bounded_together() {
        let (deadline, began) = (Deadline::new(SECOND), Instant::now());
        deadline.local_wait("place", sleep(6 * SECOND)).await.unwrap();
        let fault = deadline.local_wait("place", pending::<()>()).await.unwrap_err();
        assert_eq!(fault.cause, LocalCause::Capacity);
        assert_eq!(began.elapsed(), MAX_LOCAL_WAIT);
    }
}
