//! A webhook: who wants to be told of what, and how.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_signing::{PublicKey, SigningScheme};

use crate::{
    CustomHeaders, EndpointUrl, EventPattern, EventType, PreviousSecret, ProjectName, RetryPolicy,
    SigningSecrets, Timestamp, WebhookId,
};

/// A subscription of one URL to events. Its secrets are kept apart, see
/// [`SigningSecrets`](crate::SigningSecrets).
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Its id, and when it was made.
    pub id: WebhookId,
    /// Where deliveries go.
    pub url: EndpointUrl,
    /// What for, in its owner's words.
    pub description: Option<String>,
    /// What it subscribes to; an event that matches any of these is delivered once.
    pub events: BTreeSet<EventPattern>,
    /// Only these projects' events; empty means every project's, and events without a project.
    pub projects: BTreeSet<ProjectName>,
    /// Sent along with every delivery.
    pub headers: CustomHeaders,
    /// When to try again.
    pub retry: RetryPolicy,
    /// The deadline of one attempt, where it is not the worker's own.
    pub timeout: Option<Duration>,
    /// The most deliveries a second.
    pub rate_limit: Option<RateLimit>,
    /// The most deliveries in flight at once in one worker process, where it is not the worker's own.
    pub max_in_flight: Option<NonZeroU32>,
    /// How deliveries are signed.
    pub signing: SigningScheme,
    /// What receivers verify with, if deliveries are signed with ed25519.
    pub public_key: Option<PublicKey>,
    /// The secret before the last rotation, if that left it for a while.
    pub previous_secret: Option<PreviousSecret>,
    /// Whether it takes deliveries.
    pub state: WebhookState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Rises by one with every change, of its secrets too.
    pub version: u64,
}

impl Webhook {
    /// Lets it tell what everybody may know of its secrets.
    pub fn tell_of(&mut self, secrets: &SigningSecrets) {
        self.public_key = secrets.current.public_key();
        self.previous_secret = secrets.previous_known();
    }

    /// The secret before the last rotation, while it signs too.
    #[must_use]
    pub fn previous_secret_at(&self, now: Timestamp) -> Option<&PreviousSecret> {
        self.previous_secret.as_ref().filter(|previous| now < previous.until)
    }

    /// Whether an event of that type and project is for this webhook. A disabled webhook is sent
    /// nothing.
    #[must_use]
    pub fn wants(&self, event_type: &EventType, project: Option<&ProjectName>) -> bool {
        self.state == WebhookState::Enabled
            && self.events.iter().any(|pattern| pattern.matches(event_type))
            && (self.projects.is_empty() || project.is_some_and(|project| self.projects.contains(project)))
    }

    /// Returns whether it takes the events of some of these projects and of nothing else.
    #[must_use]
    pub fn is_confined_to(&self, projects: &BTreeSet<ProjectName>) -> bool {
        !self.projects.is_empty() && self.projects.is_subset(projects)
    }
}

/// Which webhook is deleted; by default, whatever there is.
#[derive(Debug, Clone, Default)]
pub struct WebhookDeletion {
    /// The versions of the webhook that it is meant for; none for any.
    pub versions: Option<Vec<u64>>,
    /// The projects that whoever asks is limited to: there is a webhook only if it is visible to these.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

/// Whether a webhook takes deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// It does.
    Enabled,
    /// It gets no new deliveries, and those it has wait until it is enabled again.
    Disabled {
        /// Why.
        reason: DisabledReason,
        /// Since when.
        since: Timestamp,
    },
}

/// Why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner said so.
    Manual,
    /// Its endpoint answered 410 Gone.
    Gone,
    /// All its deliveries have failed for too long.
    Failing,
}

impl DisabledReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Manual, Self::Gone, Self::Failing];

    /// The reason's name on the outside and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Deliveries a second: more than 0, at most 10,000; a fraction means one every so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct RateLimit(f64);

impl RateLimit {
    /// A rate, unless it is out of range.
    #[must_use]
    pub fn per_second(rate: f64) -> Option<Self> {
        (0.001..=10_000.0).contains(&rate).then_some(Self(rate))
    }

    /// Deliveries a second.
    #[must_use]
    pub const fn as_per_second(self) -> f64 {
        self.0
    }
}
