//! What is known about one request while it is under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::Phases;
use tokio::time::Instant;

tokio::task_local! {
    /// The exchange on whose behalf the connection pool is being asked. The pool calls the connector
    /// within the request's own future and hands it nothing but a URI; this tells it the rest.
    pub(crate) static CURRENT: Arc<Exchange>;
}

/// A part of an exchange, for the report on where it was when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Queue,
    LookUp,
    Connect,
    Proxy,
    Tls,
    Head,
    Body,
}

impl Stage {
    pub(crate) const fn as_phrase(self) -> &'static str {
        match self {
            Self::Queue => "waiting for a connection",
            Self::LookUp => "looking up the name",
            Self::Connect => "connecting",
            Self::Proxy => "connecting through the egress proxy",
            Self::Tls => "agreeing on TLS",
            Self::Head => "waiting for the response's head",
            Self::Body => "reading the response's body",
        }
    }
}

/// The deadline of one request, and how far the connection got that was opened for it. It need not be
/// the one that serves it: while it is being opened another may become free and win, and this one is then
/// finished in the background for whoever comes next.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) deadline: Instant,
    pub(crate) limit: Duration,
    opening: Mutex<Opening>,
}

#[derive(Debug, Clone, Copy)]
struct Opening {
    stage: Stage,
    since: Instant,
    phases: Phases,
}

impl Exchange {
    pub(crate) fn new(started: Instant, limit: Duration) -> Self {
        Self {
            deadline: started + limit,
            limit,
            opening: Mutex::new(Opening { stage: Stage::Queue, since: started, phases: Phases::default() }),
        }
    }

    /// Ends the stage that the connection was in and begins another.
    pub(crate) fn enter(&self, stage: Stage) {
        let now = Instant::now();
        let mut opening = self.lock();
        opening.close(now);
        opening.stage = stage;
        opening.since = now;
    }

    /// The stage of the connection and how long each took, the current one up to now.
    pub(crate) fn opening(&self) -> (Stage, Phases) {
        let mut opening = *self.lock();
        opening.close(Instant::now());
        (opening.stage, opening.phases)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Opening> {
        // Nothing under the lock panics halfway through a change.
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opening {
    fn close(&mut self, now: Instant) {
        let phase = match self.stage {
            Stage::LookUp => &mut self.phases.dns,
            Stage::Connect | Stage::Proxy => &mut self.phases.connect,
            Stage::Tls => &mut self.phases.tls,
            Stage::Queue | Stage::Head | Stage::Body => return,
        };
        // The pool may open a second connection for a request whose first turned out dead.
        *phase = Some(phase.unwrap_or_default() + now.duration_since(self.since));
    }
}

/// Marks a connection, and through it every response that comes over it, with the exchange that it was
/// opened for.
#[derive(Debug, Clone)]
pub(crate) struct OpenedFor(pub(crate) Arc<Exchange>);
