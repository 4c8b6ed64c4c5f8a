//! Wake-ups of waiting workers, in this process and in others. All wake-ups are hints: polling suffices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pool::Pool;
use crate::pool::server::Server;
use crate::pool::session::{Purpose, Session};

const CHANNEL: &str = "rdev_webhooks_work";

/// Minimum interval between a process's notifications: a `NOTIFY` takes a lock that all committing
/// transactions of the database share. On a connection of its own, in a transaction that writes nothing, it
/// holds the lock for some 10 µs.
const TELL_EVERY: Duration = Duration::from_millis(1);

/// The interval under load, when each notification announces many deliveries, and the other processes are
/// busy with known ones.
const TELL_EVERY_UNDER_LOAD: Duration = Duration::from_millis(5);

/// The number of announced deliveries from which on the interval under load applies.
const LOAD: u64 = 8;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// Time limit for opening a connection to listen on, and for its settings.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The silence after which a connection is tested.
const TEST_AFTER: Duration = Duration::from_secs(5);
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The signal from publishing to waiting, in this process.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    /// Counts the signals.
    raised: AtomicU64,
    /// The value of `raised` up to which waits have resolved.
    answered: AtomicU64,
    here: Notify,
    /// Wakes the task that notifies the other processes; `deliveries` has the number to announce.
    elsewhere: Notify,
    deliveries: AtomicU64,
}

impl Wakeups {
    /// Wakes the waiting workers of this process, and soon after those of the others, and announces this
    /// number of deliveries.
    pub(crate) fn wake(&self, deliveries: u64) {
        self.wake_here();
        self.deliveries.fetch_add(deliveries, Ordering::AcqRel);
        self.elsewhere.notify_one();
    }

    fn wake_here(&self) {
        self.raised.fetch_add(1, Ordering::AcqRel);
        self.here.notify_waiters();
    }

    /// Resolves at the first signal since it last resolved.
    pub(crate) async fn wait(&self) {
        let woken = self.here.notified();
        tokio::pin!(woken);
        // It registers before the check, so that no signal is lost between check and wait.
        woken.as_mut().enable();
        let raised = self.raised.load(Ordering::Acquire);
        if self.answered.swap(raised, Ordering::AcqRel) == raised {
            woken.await;
            let raised = self.raised.load(Ordering::Acquire);
            self.answered.store(raised, Ordering::Release);
        }
    }
}

/// Starts to listen to the other processes, and to notify them.
pub(crate) fn spawn(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    wakeups: &Arc<Wakeups>,
    pool: Pool,
    server: Arc<Server>,
) {
    // The server process of this process's notifying connection, whose notifications are ignored.
    let own = Arc::new(AtomicU32::new(0));
    tasks.spawn(listen(Arc::clone(wakeups), server, Arc::clone(&own), stop.clone()));
    tasks.spawn(stop.clone().run_until_cancelled_owned(notify_others(Arc::clone(wakeups), pool, own)));
}

/// Listens until stopped, on one connection after the other.
async fn listen(wakeups: Arc<Wakeups>, server: Arc<Server>, own: Arc<AtomicU32>, stop: CancellationToken) {
    let session = Arc::new(Session::new(Purpose::Claim, LISTEN_TIMEOUT));
    let mut wait = RETRY_FIRST;
    loop {
        let pool = server.pool_of_one(&session, LISTEN_TIMEOUT);
        let mut listened = false;
        let listening = listen_once(&pool, &wakeups, &own, &mut listened);
        let ended = stop.run_until_cancelled(listening).await;
        // The connection ends its session by itself; the result does not matter.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, pool.close()).await;
        match ended {
            None => return,
            Some(Ok(())) => tracing::debug!("listening connection lost; polling continues"),
            Some(Err(error)) => tracing::debug!(%error, "cannot listen for new work; polling continues"),
        }
        wait = if listened { RETRY_FIRST } else { (wait * 2).min(RETRY_MOST) };
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// Listens until the connection is lost, or does not answer a test.
async fn listen_once(
    pool: &PgPool,
    wakeups: &Wakeups,
    own: &AtomicU32,
    listened: &mut bool,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    *listened = true;
    // Notifications sent before the connection listened are lost: check once for work.
    wakeups.wake_here();
    loop {
        match tokio::time::timeout(TEST_AFTER, listener.try_recv()).await {
            Ok(notification) => match notification? {
                Some(notification) if notification.process_id() == own.load(Ordering::Relaxed) => {}
                Some(_) => wakeups.wake_here(),
                None => return Ok(()),
            },
            Err(_) => {
                let asking = (&mut listener).execute("SELECT 1");
                if tokio::time::timeout(TEST_TIMEOUT, asking).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

async fn notify_others(wakeups: Arc<Wakeups>, pool: Pool, own: Arc<AtomicU32>) {
    loop {
        wakeups.elsewhere.notified().await;
        let deliveries = wakeups.deliveries.swap(0, Ordering::AcqRel);
        let notification = pool
            .run(async |conn| {
                // One round trip: the pid belongs to the connection, which may have been replaced.
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_notify($1, '')")
                    .bind(CHANNEL)
                    .fetch_one(&mut **conn)
                    .await?;
                own.store(u32::try_from(pid).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            })
            .await;
        if let Err(error) = notification {
            tracing::debug!(%error, "cannot notify other processes of new work; they poll");
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
    fn a_signal_without_a_waiter_is_kept_once() {
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
    fn a_dropped_wait_consumes_no_signal() {
        let wakeups = Wakeups::default();
        {
            let mut dropped = pin!(wakeups.wait());
            assert!(poll(dropped.as_mut()).is_pending());
            wakeups.wake(1);
        }
        assert!(poll(pin!(wakeups.wait())).is_ready());
    }
}
