//! One try at a delivery, and what came of it.

use std::time::Duration;

use bytes::Bytes;

use crate::Timestamp;
use crate::delivery::AbandonedAttempt;

/// How much of a response's body is kept: 16 KiB.
pub const RESPONSE_BODY_LIMIT: usize = 16 * 1024;

/// An attempt as the history keeps it. Its id is derived from the delivery and the number, see
/// [`AttemptId::derive`](crate::AttemptId::derive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the delivery's first, and so on, whatever triggered it.
    pub number: u32,
    /// Why it was made.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, from the name look-up to the last byte that was read.
    pub duration: Duration,
    /// The parts of `duration` that were reached.
    pub phases: Phases,
    /// The `webhook-signature` header that was sent; empty if nothing was.
    pub signature: String,
    /// What came of it.
    pub outcome: AttemptOutcome,
}

impl Attempt {
    /// What is said of an attempt whose worker did not live to record it.
    pub const ABANDONED: &str = "the worker ended before it recorded the result of the attempt";

    /// What is said of an attempt that its worker cut off because it was told to end.
    pub const INTERRUPTED: &str = "the worker stopped before the endpoint responded";

    /// One whose worker did not live to record it, as it is recorded at `now`.
    #[must_use]
    pub fn abandoned(lost: AbandonedAttempt, now: Timestamp) -> Self {
        Self {
            number: lost.number,
            trigger: lost.trigger,
            started_at: lost.started_at,
            duration: now.since(lost.started_at),
            phases: Phases::default(),
            signature: String::new(),
            outcome: AttemptOutcome::failed(FailureClass::Abandoned, Self::ABANDONED),
        }
    }
}

/// Why an attempt was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// It was due.
    Automatic,
    /// Somebody asked for this one delivery again.
    Manual,
    /// Somebody asked for a range of deliveries again.
    Replay,
}

impl Trigger {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Manual, Self::Replay];

    /// The trigger's name on the outside and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::Replay => "replay",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }
}

/// How long each part of an exchange took; none for a part that was not reached, or not needed
/// because a connection was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up the name.
    pub dns: Option<Duration>,
    /// Connecting.
    pub connect: Option<Duration>,
    /// Agreeing on TLS.
    pub tls: Option<Duration>,
    /// From the beginning of the request to the end of the response's head.
    pub first_byte: Option<Duration>,
}

/// What came of an attempt: it succeeded if there is no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// What the endpoint answered, as far as it got.
    pub response: Option<CapturedResponse>,
    /// Why it did not succeed.
    pub failure: Option<AttemptFailure>,
}

impl AttemptOutcome {
    /// An exchange that ended without an answer.
    #[must_use]
    pub fn failed(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { response: None, failure: Some(AttemptFailure { class, detail: detail.into() }) }
    }

    /// An answer: a success if its status is 2xx, a failure of the class [`FailureClass::Status`]
    /// otherwise.
    #[must_use]
    pub fn answered(response: CapturedResponse) -> Self {
        let failure = (!(200..300).contains(&response.status)).then(|| AttemptFailure {
            class: FailureClass::Status,
            detail: format!("the endpoint responded with {}", response.status),
        });
        Self { response: Some(response), failure }
    }

    /// Whether the delivery is done.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// The status that was answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }
}

/// What is kept of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedResponse {
    /// The status.
    pub status: u16,
    /// The headers in order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The first [`RESPONSE_BODY_LIMIT`] bytes of the body.
    pub body: Bytes,
    /// Whether there was more.
    pub truncated: bool,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// The kind, for decisions and counts.
    pub class: FailureClass,
    /// A sentence for people, without secrets.
    pub detail: String,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// The name could not be looked up.
    Dns,
    /// The address may not be reached; see [`DestinationPolicy`](crate::DestinationPolicy).
    RefusedDestination,
    /// No connection was made.
    Connect,
    /// No agreement on TLS: a certificate, a version.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke.
    Reset,
    /// What came was not HTTP, or beyond its bounds.
    Protocol,
    /// A whole answer with another status than 2xx.
    Status,
    /// The worker that made the attempt ended before it could record what came of it.
    Abandoned,
}

impl FailureClass {
    /// All of them. Stored counts are in this order: what is new goes to the end.
    pub const ALL: [Self; 9] = [
        Self::Dns,
        Self::RefusedDestination,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Protocol,
        Self::Status,
        Self::Abandoned,
    ];

    /// The class's name on the outside and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::RefusedDestination => "refused_destination",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Abandoned => "abandoned",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}
