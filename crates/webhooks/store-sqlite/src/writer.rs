//! The only writing task, and the handle by which other tasks pass work to it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{NewEvent, PublishOutcome, Timestamp, WakeUp};
use sqlx::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::{self, DbError};

mod added;
mod advance;
mod checkpoint;
mod group;
mod log;
mod task;
mod time;

pub(crate) use advance::Advance;
pub(crate) use log::WriteAheadLog;
pub(crate) use task::Setup;

/// The number of callers that may wait for the writer before further ones wait for a place in the queue.
const QUEUE_LEN: usize = 1_024;

/// The work of a job on the writing connection.
pub(crate) type JobFuture<'c, T> = Pin<Box<dyn Future<Output = Result<T, DbError>> + Send + 'c>>;

/// The response to a job's caller, after the group has committed or failed. Returns what to announce to the workers.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) -> Option<WakeUp> + Send>;

/// The result of a job within its group.
struct Outcome {
    /// Whether its changes are kept; otherwise they are rolled back.
    keep: bool,
    answer: Answer,
}

type Job = Box<
    dyn for<'c> FnOnce(
            &'c mut SqliteConnection,
            Timestamp,
        ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'c>>
        + Send,
>;

/// Events that one caller publishes. They are not jobs of their own because many of them together need few
/// statements.
struct Publication {
    events: Vec<NewEvent>,
    max_deliveries: u32,
    ticket: Ticket,
    reply: oneshot::Sender<Result<PublishOutcome, StoreError>>,
}

/// Decides between the writer, which begins a write, and its caller, which withdraws it after too long a
/// wait: only the first of them succeeds, so a withdrawn write never happens.
#[derive(Clone, Default)]
struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// Returns whether the write may begin.
    fn begin(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// Returns whether the write will never begin.
    fn withdraw(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

enum Message {
    Job(Job),
    Publish(Publication),
    Close,
}

/// The start of the current write, in microseconds; [`i64::MAX`] while there is none.
///
/// The writer sets it before it takes the time that it writes, and a reader takes the time before it reads
/// this: so a write that the reader does not see here has a later time than the reader's.
#[derive(Clone)]
struct Begun(Arc<AtomicI64>);

impl Begun {
    fn nothing() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MAX)))
    }

    fn set(&self, at: Timestamp) {
        self.0.store(at.as_micros(), Ordering::SeqCst);
    }

    fn clear(&self) {
        self.0.store(i64::MAX, Ordering::SeqCst);
    }
}

/// The handle of the writing task.
pub(crate) struct Writer {
    messages: mpsc::Sender<Message>,
    task: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    begun: Begun,
    /// Whether the last write failed for a reason that is not its own.
    failed: AtomicBool,
    timeout: Duration,
}

impl Writer {
    /// Starts the task. It ends when it is closed or the writer is dropped, after all work passed to it.
    pub(crate) fn start(setup: Setup, timeout: Duration) -> Self {
        let (messages, waiting) = mpsc::channel(QUEUE_LEN);
        let begun = Begun::nothing();
        let task = tokio::spawn(task::run(setup, waiting, begun.clone()));
        Self { messages, task: Mutex::new(Some(task)), begun, failed: AtomicBool::new(false), timeout }
    }

    /// Runs a job and returns once it is on disk. Dropping the call does not cancel the job.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> JobFuture<'c, T> + Send + 'static,
        wakes: fn(&T) -> bool,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket::default();
        let begins = ticket.clone();
        let job: Job = Box::new(move |conn, now| {
            Box::pin(async move {
                if !begins.begin() {
                    return Outcome { keep: false, answer: Box::new(|_| None) };
                }
                let result = job(conn, now).await.map_err(StoreError::from);
                Outcome {
                    keep: result.is_ok(),
                    answer: Box::new(move |committed| {
                        let result = committed.and(result);
                        let wake_up = result.as_ref().is_ok_and(wakes).then_some(WakeUp::Any);
                        // If the caller has given up, it needs no response.
                        let _ = reply.send(result);
                        wake_up
                    }),
                }
            })
        });
        self.ask(Message::Job(job), ticket, answer).await
    }

    /// Publishes events, together with those of concurrent callers.
    pub(crate) async fn publish(
        &self,
        events: Vec<NewEvent>,
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket::default();
        let publication = Publication { events, max_deliveries, ticket: ticket.clone(), reply };
        self.ask(Message::Publish(publication), ticket, answer).await
    }

    /// Returns the time up to which writes are complete: every write that becomes visible later has this time
    /// or a later one. `now` was taken just before.
    pub(crate) fn written_until(&self, now: Timestamp) -> Timestamp {
        now.min(Timestamp::from_micros(self.begun.0.load(Ordering::SeqCst)))
    }

    /// Returns whether the task accepts work.
    pub(crate) fn is_running(&self) -> bool {
        !self.messages.is_closed()
    }

    /// Waits until all accepted work is written and the connection is closed.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        // The task may have ended already; its result says so.
        let _ = self.messages.send(Message::Close).await;
        match self.task.lock().await.take() {
            Some(task) => task.await.map_err(error::unavailable)?,
            None => Ok(()),
        }
    }

    /// Passes a write to the task and waits for its result. A write that has not begun in time is withdrawn;
    /// for one that has begun, the wait is extended once by the same time.
    async fn ask<T>(
        &self,
        message: Message,
        ticket: Ticket,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asked = async {
            self.messages.send(message).await.map_err(|_| error::unavailable("the store is closed"))?;
            answer.await.map_err(|_| error::unavailable("the write was not performed"))?
        };
        let mut asked = std::pin::pin!(asked);
        let done = match tokio::time::timeout(self.timeout, asked.as_mut()).await {
            Ok(answer) => answer,
            Err(late) if ticket.withdraw() => Err(error::unavailable(late)),
            Err(_) => tokio::time::timeout(self.timeout, asked)
                .await
                .unwrap_or_else(|late| Err(error::unavailable(late))),
        };
        match &done {
            Ok(_) => self.failed.store(false, Ordering::Relaxed),
            Err(StoreError::Unavailable(_)) => self.failed.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        done
    }

    /// Returns whether the last write has failed, so that a test write must show whether the next one will
    /// work.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
