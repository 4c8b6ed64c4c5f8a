//! The signal from publishing to the workers of the same process.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use rdev_webhooks_domain::WakeUp;
use tokio::sync::Notify;

/// The wake-ups of this process. One without a waiter is kept for the next wait.
#[derive(Debug, Default)]
pub struct WakeUps {
    kept: Mutex<Option<WakeUp>>,
    raised: Notify,
}

impl WakeUps {
    /// Wakes all who wait.
    pub fn raise(&self, wake_up: WakeUp) {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some(wake_up.after(kept.take()));
        }
        self.raised.notify_waiters();
    }

    /// Resolves at the first wake-up since it last resolved. A dropped wait takes none.
    pub async fn wait(&self) -> WakeUp {
        let mut raised = pin!(self.raised.notified());
        // It registers before the look, so that no wake-up is lost between look and wait.
        raised.as_mut().enable();
        if let Some(wake_up) = self.take() {
            return wake_up;
        }
        raised.await;
        // Of several who wait, the first learns which webhooks have work. It alone should claim from them, but it may be
        // busy.
        self.take().unwrap_or(WakeUp::Any)
    }

    /// Takes the kept wake-up, if there is one.
    pub fn take(&self) -> Option<WakeUp> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(waiting: Pin<&mut impl Future<Output = WakeUp>>) -> Poll<WakeUp> {
        waiting.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_wake_up_without_a_waiter_is_kept_once() {
        let wake_ups = WakeUps::default();
        wake_ups.raise(WakeUp::of([]));
        wake_ups.raise(WakeUp::of([]));
        assert_eq!(poll(pin!(wake_ups.wait())), Poll::Ready(WakeUp::of([])));
        assert!(poll(pin!(wake_ups.wait())).is_pending());
    }

    #[test]
    fn a_wake_up_wakes_all_who_wait() {
        let wake_ups = WakeUps::default();
        let (mut one, mut two) = (pin!(wake_ups.wait()), pin!(wake_ups.wait()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        wake_ups.raise(WakeUp::of([]));
        assert_eq!((poll(one), poll(two)), (Poll::Ready(WakeUp::of([])), Poll::Ready(WakeUp::Any)));
    }

    #[test]
    fn a_dropped_wait_takes_no_wake_up() {
        let wake_ups = WakeUps::default();
        {
            let mut dropped = pin!(wake_ups.wait());
            assert!(poll(dropped.as_mut()).is_pending());
            wake_ups.raise(WakeUp::Any);
        }
        assert!(poll(pin!(wake_ups.wait())).is_ready());
    }
}
