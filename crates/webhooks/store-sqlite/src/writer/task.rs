//! The task that owns the writing connection.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::WakeUp;
use rdev_webhooks_domain::ports::{PublicCause, StoreError};
use rdev_webhooks_store::WakeUps;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;

use super::added::Added;
use super::advance::Advance;
use super::checkpoint::Checkpoints;
use super::group::{Closing, Group};
use super::time::{CHECK_INTERVAL, Time};
use super::{Answer, Begun, Message, WriteAheadLog};
use crate::clock::StoreClock;
use crate::error;
use crate::files::Lock;

/// The properties of the task.
pub(crate) struct Setup {
    pub(crate) conn: SqliteConnection,
    pub(crate) options: SqliteConnectOptions,
    /// The connection that copies the log.
    pub(crate) checkpoints: SqliteConnection,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) wake_ups: Arc<WakeUps>,
    pub(crate) advance: Advance,
    pub(crate) log: WriteAheadLog,
    /// Held until the connection is closed.
    pub(crate) lock: Arc<Lock>,
}

/// Writes all messages until the channel ends, and closes the connection.
pub(super) async fn run(
    setup: Setup,
    mut messages: mpsc::Receiver<Message>,
    begun: Begun,
) -> Result<(), StoreError> {
    let Setup { conn, options, checkpoints, clock, wake_ups, advance, mut log, lock } = setup;
    let checkpoints = Checkpoints::start(checkpoints);
    let mut conn = Some(conn);
    let mut time = Time::new(clock);
    let mut added = Added::default();
    let mut failing = false;
    loop {
        let wait = if time.is_busy() { Duration::ZERO } else { CHECK_INTERVAL };
        let first = tokio::select! {
            biased;
            no_listing = log.closed() => {
                let _paused = checkpoints.pause().await;
                if let Some(open) = &mut conn
                    && let Err(error) = log.fold(open).await
                {
                    tracing::error!(error = &error as &dyn std::error::Error, "cannot empty the write-ahead log");
                    conn = None;
                    lock.forget_log();
                }
                drop(no_listing);
                continue;
            }
            message = messages.recv() => match message {
                Some(first) => Some(first),
                None => break,
            },
            () = tokio::time::sleep(wait) => None,
        };
        let mut answers = Vec::new();
        let written = match (lock.verify(), first.map(|first| gather(first, &mut messages))) {
            // The connection stays: a new one would open the files that have replaced the database.
            (Err(unwritable), _) => Err(sqlx::Error::Io(std::io::Error::other(unwritable))),
            (Ok(()), Some(group)) if !group.is_empty() => {
                let write = Write { options: &options, begun: &begun, advance: &advance };
                let written = write.all(&mut conn, group, (&mut time, &mut added), &mut answers).await;
                if written.is_ok() {
                    checkpoints.request();
                }
                written
            }
            _ => look(&mut conn, &begun, &mut time, &mut added).await,
        };
        begun.clear();
        log.look();
        match &written {
            Ok(()) if failing && !answers.is_empty() => {
                failing = false;
                tracing::info!("database writes succeed again");
            }
            Ok(()) => {}
            Err(cause) => {
                if !failing {
                    failing = true;
                    tracing::error!(error = cause as &dyn std::error::Error, "database write failed");
                }
                if lock.verify().is_ok() {
                    // The connection's state is unknown; the next group opens a new one.
                    conn = None;
                    lock.forget_log();
                }
            }
        }
        if let Some(wake_up) = answer(answers, written) {
            wake_ups.raise(wake_up);
        }
    }
    checkpoints.stop().await;
    let closed = match conn {
        Some(conn) => close(conn).await.map_err(error::database),
        None => Ok(()),
    };
    drop(lock);
    closed
}

/// Takes all waiting messages, as far as they fit.
fn gather(first: Message, messages: &mut mpsc::Receiver<Message>) -> Group {
    let mut group = Group::default();
    let mut next = Some(first);
    while let Some(message) = next {
        if let Err(Closing) = group.add(message) {
            // Messages sent before can still be received.
            messages.close();
        }
        next = (!group.is_full()).then(|| messages.try_recv().ok()).flatten();
    }
    group
}

/// The circumstances of a write.
struct Write<'a> {
    options: &'a SqliteConnectOptions,
    begun: &'a Begun,
    advance: &'a Advance,
}

impl Write<'_> {
    async fn all(
        &self,
        conn: &mut Option<SqliteConnection>,
        group: Group,
        (time, added): (&mut Time, &mut Added),
        answers: &mut Vec<Answer>,
    ) -> Result<(), sqlx::Error> {
        let conn = match conn {
            Some(conn) => conn,
            None => {
                let new = SqliteConnection::connect_with(self.options).await?;
                added.reconnected();
                conn.insert(new)
            }
        };
        time.follow(conn).await?;
        self.begun.set(time.now());
        group.commit(conn, time.now(), self.advance, answers).await?;
        // These writes may have waited for a transaction of another connection: only now is it known what that has added.
        // A failure must not fail what is committed; the next write or look repeats this.
        let _ = added.surface(conn, time).await;
        Ok(())
    }
}

/// Checks the clock and other connections' commits while nothing is written.
async fn look(
    conn: &mut Option<SqliteConnection>,
    begun: &Begun,
    time: &mut Time,
    added: &mut Added,
) -> Result<(), sqlx::Error> {
    let Some(conn) = conn else {
        return Ok(());
    };
    time.follow(conn).await?;
    begun.set(time.now());
    added.surface(conn, time).await
}

/// Responds to all callers, and returns what to announce to the workers.
fn answer(answers: Vec<Answer>, written: Result<(), sqlx::Error>) -> Option<WakeUp> {
    let failure = written.err().map(|cause| cause.to_string());
    let mut announced: Option<WakeUp> = None;
    for answer in answers {
        let committed = match &failure {
            Some(cause) => Err(StoreError::unavailable(PublicCause::new(cause.clone()))),
            None => Ok(()),
        };
        if let Some(wake_up) = answer(committed) {
            announced = Some(wake_up.after(announced));
        }
    }
    announced
}

async fn close(mut conn: SqliteConnection) -> Result<(), sqlx::Error> {
    // No `PRAGMA optimize`: statistics of a queue that happens to be empty would mislead the planner about a
    // full one. Without any, it always uses the indexes.
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut conn).await?;
    conn.close().await
}
