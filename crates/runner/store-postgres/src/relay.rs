//! The exchange of signals between the processes on one database.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_runner_domain::CommandId;
use rdev_runner_domain::ports::Signal;
use rdev_runner_store::Signals;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use sqlx::{Executor, Row};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

const CHANNEL: &str = "rdev_runner_changes";

/// The most signals of one notification, whose text Postgres bounds to 8,000 bytes. More become
/// [`Signal::Missed`].
const MAX_SIGNALS: usize = 200;

/// The minimum interval between a process's notifications: a `NOTIFY` takes a lock that all committing
/// transactions of the database share.
const NOTIFY_INTERVAL: Duration = Duration::from_millis(5);

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// The time limit for opening a connection, and for a notification.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The silence after which a connection is tested, and the time limit of the test.
const TEST_AFTER: Duration = Duration::from_secs(5);
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// The signals that the other processes have not got yet.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    waiting: Mutex<HashSet<Signal>>,
    arrived: Notify,
    /// The server process of the listening connection, which marks this process's own notifications.
    own: AtomicU32,
}

impl Relay {
    /// Takes a signal for the other processes.
    pub(crate) fn add(&self, signal: Signal) {
        let mut waiting = self.waiting();
        if waiting.len() < MAX_SIGNALS {
            waiting.insert(signal);
        } else {
            waiting.clear();
            waiting.insert(Signal::Missed);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Exchanges signals for ever: notifies the other processes on the pool, and listens to them on a connection
    /// of its own.
    pub(crate) async fn run(&self, pool: &PgPool, signals: &Signals) {
        tokio::join!(self.notify_others(pool), self.listen(pool, signals));
    }

    async fn notify_others(&self, pool: &PgPool) {
        loop {
            self.arrived.notified().await;
            let waiting = std::mem::take(&mut *self.waiting());
            let text = encode(self.own.load(Ordering::Relaxed), &waiting);
            let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(text).execute(pool);
            match timeout(CONNECT_TIMEOUT, notify).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "cannot signal changes to other processes; they poll");
                }
                Err(_) => tracing::debug!("cannot signal changes to other processes in time; they poll"),
            }
            sleep(NOTIFY_INTERVAL).await;
        }
    }

    async fn listen(&self, pool: &PgPool, signals: &Signals) {
        let mut retry = FIRST_RETRY;
        loop {
            let own_pool = PgPoolOptions::new()
                .max_connections(1)
                .acquire_timeout(CONNECT_TIMEOUT)
                .connect_lazy_with((*pool.connect_options()).clone());
            let mut has_listened = false;
            match self.listen_once(&own_pool, signals, &mut has_listened).await {
                Ok(()) => tracing::debug!("listening connection lost; polling continues"),
                Err(error) => tracing::debug!(%error, "cannot listen for changes; polling continues"),
            }
            retry = if has_listened { FIRST_RETRY } else { (retry * 2).min(LONGEST_RETRY) };
            sleep(retry).await;
        }
    }

    /// Listens until the connection is lost, or does not answer a test.
    async fn listen_once(
        &self,
        pool: &PgPool,
        signals: &Signals,
        has_listened: &mut bool,
    ) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.eager_reconnect(false);
        let own: i32 = (&mut listener).fetch_one("SELECT pg_backend_pid()").await?.try_get(0)?;
        self.own.store(own.unsigned_abs(), Ordering::Relaxed);
        listener.listen(CHANNEL).await?;
        *has_listened = true;
        // What was signalled before is lost.
        signals.send(Signal::Missed);
        loop {
            match timeout(TEST_AFTER, listener.try_recv()).await {
                Ok(notification) => match notification? {
                    Some(notification) => {
                        decode(own.unsigned_abs(), notification.payload(), |signal| signals.send(signal));
                    }
                    None => return Ok(()),
                },
                Err(_) => {
                    let asking = (&mut listener).execute("SELECT 1");
                    if timeout(TEST_TIMEOUT, asking).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<Signal>> {
        // A panic cannot leave the set half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes signals as the text of a notification: the sender, and a word for each signal.
fn encode(own: u32, signals: &HashSet<Signal>) -> String {
    let mut text = own.to_string();
    for signal in signals {
        // Writing to a string never fails.
        let _ = match signal {
            Signal::Queue => write!(text, " q"),
            Signal::Missed => write!(text, " m"),
            Signal::Cancelled(id) => write!(text, " x{}", id.as_uuid()),
            Signal::Changed(id) => write!(text, " c{}", id.as_uuid()),
        };
    }
    text
}

/// Reads the signals of a notification by another process. A word that is unknown, of a later release,
/// may stand for anything.
fn decode(own: u32, text: &str, mut send: impl FnMut(Signal)) {
    let mut words = text.split(' ');
    if words.next().and_then(|sender| sender.parse().ok()) == Some(own) {
        return;
    }
    for word in words {
        let (kind, id) = word.split_at_checked(1).unwrap_or_default();
        let id = id.parse().ok().map(CommandId::from_uuid);
        send(match (kind, id) {
            ("q", None) => Signal::Queue,
            ("x", Some(id)) => Signal::Cancelled(id),
            ("c", Some(id)) => Signal::Changed(id),
            _ => Signal::Missed,
        });
    }
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::Timestamp;

    use super::*;

    fn changed(n: u8) -> Signal {
        Signal::Changed(CommandId::from_parts(Timestamp::EPOCH, [n; 10]))
    }

    fn decoded(own: u32, text: &str) -> HashSet<Signal> {
        let mut signals = HashSet::new();
        decode(own, text, |signal| {
            signals.insert(signal);
        });
        signals
    }

    #[test]
    fn signals_are_read_by_others_as_they_were_written() {
        let id = CommandId::from_parts(Timestamp::EPOCH, [7; 10]);
        let signals = HashSet::from([Signal::Queue, Signal::Missed, Signal::Cancelled(id), changed(1)]);
        let text = encode(17, &signals);
        assert_eq!(decoded(18, &text), signals);
        assert_eq!(decoded(17, &text), HashSet::new(), "its own");
        assert_eq!(decoded(18, "17 z"), HashSet::from([Signal::Missed]), "of a later release");
    }

    #[test]
    fn many_signals_fit_into_a_notification() {
        let relay = Relay::default();
        for n in 0..MAX_SIGNALS {
            relay.add(changed(u8::try_from(n).unwrap()));
        }
        assert!(encode(u32::MAX, &relay.waiting()).len() < 8_000);
        relay.add(Signal::Queue);
        assert_eq!(*relay.waiting(), HashSet::from([Signal::Missed]));
    }
}
