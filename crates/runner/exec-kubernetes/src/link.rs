//! The connection to a supervisor that serves the runs of a pod.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_runner_exec_local::remote::{Answer, Call, Request, Response, SILENCE_LIMIT, frame};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::connect::Session;
use crate::error::PodError;

/// How often a connection says that it is there.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long a connection that no one uses is kept.
const KEEP_IDLE: Duration = Duration::from_secs(60);

/// How long the supervisor may take to end after it was asked to.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take. A sweep and a start take at most half a minute, other waits less.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// How long the answer about a change of a worktree may take, which waits for others and then writes all files.
const WORKTREE_TIMEOUT: Duration = Duration::from_secs(11 * 60);

/// The number of requests that wait to be written.
const MAX_OUTGOING: usize = 16;

/// An answer with its body.
pub(crate) type Answered = (Answer, Vec<u8>);

enum Outgoing {
    /// A request whose answer no one waits for.
    Notice(Vec<u8>),
    Request {
        id: u64,
        frame: Vec<u8>,
        answered: oneshot::Sender<Answered>,
    },
    Cancel(u64),
}

/// A connection. Its requests are answered independently of each other.
pub(crate) struct Link {
    outgoing: mpsc::Sender<Outgoing>,
    last_id: AtomicU64,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    pub(crate) fn new(session: Session) -> Self {
        let (outgoing, calls) = mpsc::channel(MAX_OUTGOING);
        let task = AbortOnDropHandle::new(tokio::spawn(run(session, calls)));
        Self { outgoing, last_id: AtomicU64::new(0), _task: task }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.outgoing.is_closed()
    }

    /// Sends a request without waiting for its answer, if there is room for it.
    pub(crate) fn notify(&self, call: Call) {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        if let Ok(frame) = frame::encode(&Request { id, call }, &[]) {
            let _ = self.outgoing.try_send(Outgoing::Notice(frame));
        }
    }

    /// Returns the answer to a request. Gives it up if the future is dropped.
    pub(crate) async fn call(&self, call: Call, body: &[u8]) -> Result<Answered, PodError> {
        let limit = answer_timeout(&call);
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let frame = frame::encode(&Request { id, call }, body);
        let frame = frame.map_err(|error| PodError::Host(error.to_string()))?;
        let (answered, answer) = oneshot::channel();
        let broken = || PodError::lost("it was closed");
        let answering = async {
            self.outgoing.send(Outgoing::Request { id, frame, answered }).await.map_err(|_| broken())?;
            let _given_up = CancelOnDrop { id, outgoing: &self.outgoing };
            tokio::select! {
                biased;
                answered = answer => answered.map_err(|_| broken()),
                // A request that was sent while the receiver was dropped may stay in the channel.
                () = self.outgoing.closed() => Err(broken()),
            }
        };
        let late = |_| PodError::lost(format!("no answer within {} s", limit.as_secs()));
        timeout(limit, answering).await.map_err(late)?
    }
}

const fn answer_timeout(call: &Call) -> Duration {
    match call {
        Call::Git { git } if !git.is_read() => WORKTREE_TIMEOUT,
        _ => ANSWER_TIMEOUT,
    }
}

/// Gives up a request, if it has no answer yet.
struct CancelOnDrop<'a> {
    id: u64,
    outgoing: &'a mpsc::Sender<Outgoing>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        // If there is no room, the supervisor's own bounds end the operation.
        let _ = self.outgoing.try_send(Outgoing::Cancel(self.id));
    }
}

/// The requests without an answer.
#[derive(Default)]
struct Pending(Mutex<HashMap<u64, oneshot::Sender<Answered>>>);

impl Pending {
    fn all(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answered>>> {
        // A panic cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes requests and reads answers until the connection ends. The callers notice that their requests are dropped.
async fn run(session: Session, calls: mpsc::Receiver<Outgoing>) {
    let Session { stdin, stdout, mut end, .. } = session;
    let pending = Pending::default();
    let ended = tokio::select! {
        written = write(stdin, calls, &pending) => written,
        read = read(stdout, &pending) => read,
        // The supervisor has ended, or the connection.
        _ = end.reached() => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "the connection to a pod was lost");
    }
    drop(pending);
    // The connection lives as long as this.
    let _ = timeout(END_TIMEOUT, end.reached()).await;
}

async fn write(
    mut stdin: impl AsyncWrite + Unpin,
    mut calls: mpsc::Receiver<Outgoing>,
    pending: &Pending,
) -> io::Result<()> {
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut used_at = Instant::now();
    let without_body = |id, call| frame::encode(&Request { id, call }, &[]);
    loop {
        let frame = tokio::select! {
            outgoing = calls.recv() => match outgoing {
                Some(Outgoing::Request { id, frame, answered }) => {
                    pending.all().insert(id, answered);
                    used_at = Instant::now();
                    frame
                }
                Some(Outgoing::Notice(frame)) => frame,
                Some(Outgoing::Cancel(id)) => match pending.all().remove(&id) {
                    Some(_) => without_body(id, Call::Cancel)?,
                    None => continue,
                },
                None => break,
            },
            _ = pings.tick() => {
                if pending.all().is_empty() && used_at.elapsed() > KEEP_IDLE {
                    break;
                }
                without_body(0, Call::Ping)?
            }
        };
        stdin.write_all(&frame).await?;
    }
    stdin.write_all(&without_body(0, Call::End)?).await?;
    stdin.flush().await
}

async fn read(mut stdout: impl AsyncRead + Unpin, pending: &Pending) -> io::Result<()> {
    loop {
        let silent = |_| io::Error::other("the supervisor says nothing");
        let next = frame::next::<Response>(&mut stdout);
        let (response, body) = timeout(SILENCE_LIMIT, next).await.map_err(silent)??;
        if let Some(answered) = pending.all().remove(&response.id) {
            // The caller may have given up.
            let _ = answered.send((response.answer, body));
        }
    }
}
