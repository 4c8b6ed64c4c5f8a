//! Waking whoever waits for work, here and in other processes. All of it is a hint: polling suffices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connect::Pool;

const CHANNEL: &str = "rdev_webhooks_work";

/// A process tells the others at most this often: a `NOTIFY` takes a lock that all committing
/// transactions of the database share. On a connection of its own, in a transaction that writes nothing,
/// it holds that for some 10 µs.
const TELL_EVERY: Duration = Duration::from_millis(1);

/// The same under load, when each word is of many deliveries anyway, and the others are busy with those
/// that they know of.
const TELL_EVERY_UNDER_LOAD: Duration = Duration::from_millis(5);

/// So many deliveries told of at once are load.
const LOAD: u64 = 8;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// The signal between publishing and waiting, in this process.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    /// Rises with every signal.
    raised: AtomicU64,
    /// What of `raised` a wait has answered.
    answered: AtomicU64,
    here: Notify,
    /// To the task that tells the other processes, and of how many deliveries.
    elsewhere: Notify,
    deliveries: AtomicU64,
}

impl Wakeups {
    /// Wakes whoever waits in this process, and soon after in the others, for so many deliveries.
    pub(crate) fn wake(&self, deliveries: u64) {
        self.wake_here();
        self.deliveries.fetch_add(deliveries, Ordering::AcqRel);
        self.elsewhere.notify_one();
    }

    fn wake_here(&self) {
        self.raised.fetch_add(1, Ordering::AcqRel);
        self.here.notify_waiters();
    }

    /// Resolves at the first signal since it resolved last.
    pub(crate) async fn wait(&self) {
        let woken = self.here.notified();
        tokio::pin!(woken);
        // Listening from now on, so that no signal falls between looking and waiting.
        woken.as_mut().enable();
        let raised = self.raised.load(Ordering::Acquire);
        if self.answered.swap(raised, Ordering::AcqRel) == raised {
            woken.await;
            let raised = self.raised.load(Ordering::Acquire);
            self.answered.store(raised, Ordering::Release);
        }
    }
}

/// Begins to listen to the other processes, and to tell them.
pub(crate) fn spawn(tasks: &TaskTracker, stop: &CancellationToken, wakeups: &Arc<Wakeups>, pool: Pool) {
    // The server's process of our telling connection: what comes from it we know already.
    let own = Arc::new(AtomicU32::new(0));
    let listening = listen(Arc::clone(wakeups), pool.clone(), Arc::clone(&own));
    tasks.spawn(stop.clone().run_until_cancelled_owned(listening));
    let telling = tell(Arc::clone(wakeups), pool.clone(), own);
    let stopped = stop.clone();
    tasks.spawn(async move {
        stopped.run_until_cancelled(telling).await;
        pool.pool.close().await;
    });
}

async fn listen(wakeups: Arc<Wakeups>, pool: Pool, own: Arc<AtomicU32>) {
    let mut wait = RETRY_FIRST;
    loop {
        match PgListener::connect_with(&pool.pool).await {
            Ok(mut listener) => {
                if listener.listen(CHANNEL).await.is_ok() {
                    wait = RETRY_FIRST;
                    // What was told while nobody listened is lost: look once.
                    wakeups.wake_here();
                    // None is a lost connection, like an error.
                    while let Ok(Some(told)) = listener.try_recv().await {
                        if told.process_id() != own.load(Ordering::Relaxed) {
                            wakeups.wake_here();
                        }
                    }
                }
                tracing::debug!("lost the connection that listens for work; polling goes on");
            }
            Err(error) => {
                tracing::debug!(%error, "cannot listen for work; polling goes on");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MOST);
    }
}

async fn tell(wakeups: Arc<Wakeups>, pool: Pool, own: Arc<AtomicU32>) {
    loop {
        wakeups.elsewhere.notified().await;
        let deliveries = wakeups.deliveries.swap(0, Ordering::AcqRel);
        let told = pool
            .run(async |conn| {
                // One trip: the pid belongs to the connection, which may be another than before.
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_notify($1, '')")
                    .bind(CHANNEL)
                    .fetch_one(&mut **conn)
                    .await?;
                own.store(u32::try_from(pid).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            })
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "cannot tell other processes of work; they poll");
        }
        tokio::time::sleep(if deliveries < LOAD { TELL_EVERY } else { TELL_EVERY_UNDER_LOAD }).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(waiting: std::pin::Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        waiting.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_signal_that_comes_while_nobody_waits_is_kept_once() {
        let wakeups = Wakeups::default();
        wakeups.wake(1);
        wakeups.wake(1);
        assert!(poll(pin!(wakeups.wait())).is_ready());
        assert!(poll(pin!(wakeups.wait())).is_pending());
    }

    #[test]
    fn a_signal_wakes_all_who_wait() {
        let wakeups = Wakeups::default();
        let (mut one, mut two) = (pin!(wakeups.wait()), pin!(wakeups.wait()));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        wakeups.wake(1);
        assert!(poll(one).is_ready() && poll(two).is_ready());
        assert!(poll(pin!(wakeups.wait())).is_pending());
    }

    #[test]
    fn a_wait_that_is_dropped_takes_no_signal_with_it() {
        let wakeups = Wakeups::default();
        {
            let mut dropped = pin!(wakeups.wait());
            assert!(poll(dropped.as_mut()).is_pending());
            wakeups.wake(1);
        }
        assert!(poll(pin!(wakeups.wait())).is_ready());
    }
}
