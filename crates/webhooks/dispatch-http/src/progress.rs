//! The progress of one attempt.

use std::time::Duration;

use rdev_webhooks_domain::Phases;
use tokio::time::Instant;

/// A phase of an exchange, for the message that says where the exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Queue,
    LookUp,
    Connect,
    /// Connecting to the egress proxy itself.
    Proxy,
    /// Waiting for the egress proxy to connect.
    Tunnel,
    Tls,
    Head,
    Body,
}

impl Stage {
    pub(crate) const fn as_phrase(self) -> &'static str {
        match self {
            Self::Queue => "waiting for a connection",
            Self::LookUp => "resolving the name",
            Self::Connect => "connecting",
            Self::Proxy => "connecting to the egress proxy",
            Self::Tunnel => "connecting through the egress proxy",
            Self::Tls => "agreeing on TLS",
            Self::Head => "waiting for the response's head",
            Self::Body => "reading the response's body",
        }
    }
}

/// The current stage of an attempt, and the duration of each.
#[derive(Debug)]
pub(crate) struct Progress {
    stage: Stage,
    since: Instant,
    phases: Phases,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Queue, since: Instant::now(), phases: Phases::default() }
    }

    /// Ends the current stage and begins another.
    pub(crate) fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        self.close(now);
        self.stage = stage;
        self.since = now;
    }

    /// Subtracts time from the current stage: a wait for capacity of this host.
    pub(crate) fn skip(&mut self, waited: Duration) {
        self.since += waited;
    }

    /// Records when the response head arrived.
    pub(crate) fn answered(&mut self, after: Duration) {
        self.phases.first_byte = Some(after);
        self.enter(Stage::Body);
    }

    /// Discards the phases of a connection that was of no use.
    pub(crate) fn restart(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns when the current stage began.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Returns the duration of each phase, the current one up to now.
    pub(crate) fn phases(&mut self) -> Phases {
        self.close(Instant::now());
        self.phases
    }

    fn close(&mut self, now: Instant) {
        let phase = match self.stage {
            Stage::LookUp => &mut self.phases.dns,
            Stage::Connect | Stage::Proxy | Stage::Tunnel => &mut self.phases.connect,
            Stage::Tls => &mut self.phases.tls,
            Stage::Queue | Stage::Head | Stage::Body => return,
        };
        *phase = Some(phase.unwrap_or_default() + now.saturating_duration_since(self.since));
        self.since = now;
    }
}
