//! An attempt of a delivery, and its result.

use std::time::Duration;

use bytes::Bytes;

use crate::delivery::AbandonedAttempt;
use crate::{DeliveryId, Timestamp};

/// The number of bytes of a response body that are kept: 16 KiB.
pub const RESPONSE_BODY_LIMIT: usize = 16 * 1024;

/// An attempt as the history keeps it. Its id is derived from the delivery and the number; see
/// [`AttemptId::derive`](crate::AttemptId::derive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The number of the attempt within its delivery, from 1, whatever the trigger.
    pub number: u32,
    /// The reason why the attempt was made.
    pub trigger: Trigger,
    /// When it began.
    pub started_at: Timestamp,
    /// The duration, from the name look-up to the last byte read.
    pub duration: Duration,
    /// The phases of `duration` that were reached.
    pub phases: Phases,
    /// The `webhook-signature` header of the request; empty if nothing was sent.
    pub signature: String,
    /// The result.
    pub outcome: AttemptOutcome,
}

impl Attempt {
    /// The failure detail of an attempt whose worker ended before it recorded the result.
    pub const ABANDONED: &str = "the worker ended before it recorded the result of the attempt";

    /// The failure detail of an attempt that its worker interrupted during shutdown.
    pub const INTERRUPTED: &str = "the worker stopped before the endpoint responded";

    /// The [summary](Self::summary) of the usual attempt: an automatic one that the endpoint answered with 200.
    pub const PLAIN: &str = "automatic//200";

    /// Returns whether it is the usual attempt, with the summary [`Self::PLAIN`].
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.trigger == Trigger::Automatic && self.outcome.is_success() && self.outcome.status() == Some(200)
    }

    /// Returns the trigger, the class of the failure and the status of the response, like `automatic/status/503`, each
    /// empty if there is none. Stores find deliveries by the summary of their last attempt.
    #[must_use]
    pub fn summary(&self) -> String {
        let class = self.outcome.failure.as_ref().map_or("", |failure| failure.class.as_str());
        let code = self.outcome.status().map(|status| status.to_string()).unwrap_or_default();
        format!("{}/{class}/{code}", self.trigger.as_str())
    }

    /// Returns the record of an abandoned attempt, as of `now`.
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

/// What a list shows of the last recorded attempt of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAttempt {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The reason why the attempt was made.
    pub trigger: Trigger,
    /// The duration, from the name look-up to the last byte read.
    pub duration: Duration,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// The class of the failure; `None` if the attempt succeeded.
    pub failure: Option<FailureClass>,
}

impl LastAttempt {
    /// Returns what a list shows of an attempt of this delivery.
    #[must_use]
    pub fn new(delivery: DeliveryId, attempt: &Attempt) -> Self {
        Self {
            delivery,
            trigger: attempt.trigger,
            duration: attempt.duration,
            status: attempt.outcome.status(),
            failure: attempt.outcome.failure.as_ref().map(|failure| failure.class),
        }
    }
}

/// The reason why an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The delivery was due.
    Automatic,
    /// A client requested this one delivery again.
    Manual,
    /// A client requested a range of deliveries again.
    Replay,
}

impl Trigger {
    /// All triggers.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Manual, Self::Replay];

    /// Returns the trigger's name in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::Replay => "replay",
        }
    }

    /// Parses a name from [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trigger| trigger.as_str() == text)
    }
}

/// The durations of the phases of an exchange. A phase is `None` if it was not reached, or not needed because
/// a connection was open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// The name look-up.
    pub dns: Option<Duration>,
    /// The TCP connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// The time from the beginning of the request to the end of the response head.
    pub first_byte: Option<Duration>,
}

/// The result of an attempt: a success if there is no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// The response, as far as it arrived.
    pub response: Option<CapturedResponse>,
    /// The failure; `None` if the attempt succeeded.
    pub failure: Option<AttemptFailure>,
}

impl AttemptOutcome {
    /// Creates the result of an exchange without a response.
    #[must_use]
    pub fn failed(class: FailureClass, detail: impl Into<String>) -> Self {
        Self { response: None, failure: Some(AttemptFailure { class, detail: detail.into() }) }
    }

    /// Creates the result of an exchange with a response: a success if its status is 2xx, otherwise a failure
    /// of the class [`FailureClass::Status`].
    #[must_use]
    pub fn answered(response: CapturedResponse) -> Self {
        let failure = (!(200..300).contains(&response.status)).then(|| AttemptFailure {
            class: FailureClass::Status,
            detail: format!("the endpoint responded with {}", response.status),
        });
        Self { response: Some(response), failure }
    }

    /// Returns whether the attempt succeeded.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }
}

/// The part of a response that is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapturedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers in order; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The first [`RESPONSE_BODY_LIMIT`] bytes of the body.
    pub body: Bytes,
    /// Whether the body was longer.
    pub truncated: bool,
}

/// The reason why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// The class, for decisions and counts.
    pub class: FailureClass,
    /// A sentence for humans, without secrets.
    pub detail: String,
}

/// The classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// The name could not be resolved.
    Dns,
    /// The policy refuses the address; see [`DestinationPolicy`](crate::DestinationPolicy).
    RefusedDestination,
    /// No connection could be opened.
    Connect,
    /// The TLS handshake failed, because of a certificate or a version for example.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The connection broke.
    Reset,
    /// The response was not HTTP, or exceeded a limit.
    Protocol,
    /// The response was complete, with a status other than 2xx.
    Status,
    /// The worker ended before it recorded the result.
    Abandoned,
}

impl FailureClass {
    /// All classes. Stored counts have this order, so append new classes.
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

    /// Returns the class's name in the API and in stores.
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

    /// Parses a name from [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}
