//! Wake-ups of waiting workers, in this process and in others. All wake-ups are hints: polling suffices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::{WakeUp, WebhookId};
use rdev_webhooks_store::WakeUps;
use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPool};
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

/// The signal from publishing to waiting.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    here: WakeUps,
    /// What the task that notifies the other processes has to announce.
    elsewhere: WakeUps,
    /// The number of deliveries of that.
    deliveries: AtomicU64,
}

impl Wakeups {
    /// Wakes the waiting workers of this process, and soon after those of the others, and announces this
    /// number of deliveries.
    pub(crate) fn wake(&self, deliveries: u64, wake_up: WakeUp) {
        self.here.raise(wake_up.clone());
        self.deliveries.fetch_add(deliveries, Ordering::AcqRel);
        self.elsewhere.raise(wake_up);
    }

    /// Resolves at the first signal since it last resolved.
    pub(crate) async fn wait(&self) -> WakeUp {
        self.here.wait().await
    }
}

/// Returns the payload of a notification. An empty one announces deliveries of any webhook.
fn payload(wake_up: &WakeUp) -> String {
    match wake_up {
        WakeUp::Any => String::new(),
        WakeUp::Webhooks(webhooks) => {
            let ids: Vec<_> = webhooks.iter().map(WebhookId::to_string).collect();
            ids.join(" ")
        }
    }
}

/// Reads a payload. One that cannot be read, as of a later version, announces deliveries of any webhook.
fn announced(payload: &str) -> WakeUp {
    let ids: Option<BTreeSet<_>> = payload.split_whitespace().map(|id| id.parse().ok()).collect();
    ids.filter(|ids| !ids.is_empty()).map_or(WakeUp::Any, WakeUp::of)
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
    wakeups.here.raise(WakeUp::Any);
    loop {
        match tokio::time::timeout(TEST_AFTER, listener.try_recv()).await {
            Ok(notification) => match notification? {
                Some(notification) if notification.process_id() == own.load(Ordering::Relaxed) => {}
                Some(notification) => wakeups.here.raise(announced(notification.payload())),
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
        let wake_up = wakeups.elsewhere.wait().await;
        let deliveries = wakeups.deliveries.swap(0, Ordering::AcqRel);
        let notification = pool
            .run(async |conn| {
                // One round trip: the pid belongs to the connection, which may have been replaced.
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(payload(&wake_up))
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
    use rdev_webhooks_domain::Timestamp;

    use super::*;

    #[test]
    fn a_payload_names_the_webhooks_again() {
        let webhook = |n| WebhookId::from_parts(Timestamp::from_millis(1), [n; 10]);
        for wake_up in [WakeUp::Any, WakeUp::of([webhook(1)]), WakeUp::of((0..32).map(webhook))] {
            let payload = payload(&wake_up);
            assert!(payload.len() < 8_000, "Postgres takes no longer one");
            assert_eq!(announced(&payload), wake_up);
        }
        for unknown in ["?", "wh_", "2 webhooks"] {
            assert_eq!(announced(unknown), WakeUp::Any);
        }
    }
}
