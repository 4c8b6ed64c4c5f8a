//! Webhooks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_signing::{PublicKey, SigningScheme};

use crate::{
    BodyFormat, CustomHeaders, EndpointUrl, EventPattern, EventType, PreviousSecret, ProjectName, RateLimit,
    RetryPolicy, SigningSecrets, Timestamp, WebhookId,
};

/// A subscription of one URL to events. Its secrets are separate; see
/// [`SigningSecrets`](crate::SigningSecrets).
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// The id.
    pub id: WebhookId,
    /// What its owner has set.
    pub settings: WebhookSettings,
    /// The key that verifies its signatures, if they are ed25519 signatures.
    pub public_key: Option<PublicKey>,
    /// The secret before the last rotation, if that rotation has an overlap.
    pub previous_secret: Option<PreviousSecret>,
    /// Whether it is enabled.
    pub state: WebhookState,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The version, which rises by one with every change, including changes of its secrets.
    pub version: u64,
}

/// What the owner of a webhook sets. A request that creates a webhook and one that changes it are read into this
/// type, and a store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookSettings {
    /// The URL of the endpoint.
    pub url: EndpointUrl,
    /// The owner's description of the webhook.
    pub description: Option<String>,
    /// What the owner keeps with the webhook. It changes nothing about the deliveries.
    pub metadata: Metadata,
    /// The patterns that it subscribes to; an event that matches several of them is delivered once.
    pub events: BTreeSet<EventPattern>,
    /// The projects whose events it takes; empty means every project, and events without a project.
    pub projects: BTreeSet<ProjectName>,
    /// The custom headers of every delivery.
    pub headers: CustomHeaders,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// The deadline of one attempt; `None` for the worker's default.
    pub timeout: Option<Duration>,
    /// The maximum number of deliveries per second.
    pub rate_limit: Option<RateLimit>,
    /// The maximum number of deliveries in flight in one worker process; `None` for the worker's default.
    pub max_in_flight: Option<NonZeroU32>,
    /// The signing scheme.
    pub signing: SigningScheme,
    /// The format of the bodies.
    pub format: BodyFormat,
    /// When it is disabled, if it is enabled then.
    pub expires_at: Option<Timestamp>,
}

impl WebhookSettings {
    /// The maximum length of a description, in characters.
    pub const MAX_DESCRIPTION: usize = 1_000;
    /// The shortest and the longest deadline of an attempt, in milliseconds.
    pub const MIN_TIMEOUT_MS: u32 = 100;
    /// See [`Self::MIN_TIMEOUT_MS`].
    pub const MAX_TIMEOUT_MS: u32 = 60_000;
    /// The highest number of deliveries in flight that a webhook can ask for.
    pub const MAX_IN_FLIGHT: u32 = 1_000;

    /// Creates the settings of a webhook for these events of every project, with the default retry policy and
    /// without limits of its own.
    #[must_use]
    pub fn new(url: EndpointUrl, events: impl IntoIterator<Item = EventPattern>) -> Self {
        Self {
            url,
            description: None,
            metadata: Metadata::default(),
            events: events.into_iter().collect(),
            projects: BTreeSet::new(),
            headers: CustomHeaders::default(),
            retry: RetryPolicy::default(),
            timeout: None,
            rate_limit: None,
            max_in_flight: None,
            signing: SigningScheme::HmacSha256,
            format: BodyFormat::Rdev,
            expires_at: None,
        }
    }
}

impl Webhook {
    /// Copies the public parts of these secrets onto the webhook.
    pub fn set_public_keys(&mut self, secrets: &SigningSecrets) {
        self.public_key = secrets.current.public_key();
        self.previous_secret = secrets.previous_known();
    }

    /// Returns the secret before the last rotation, as long as it also signs.
    #[must_use]
    pub fn previous_secret_at(&self, now: Timestamp) -> Option<&PreviousSecret> {
        self.previous_secret.as_ref().filter(|previous| now < previous.until)
    }

    /// Returns whether an event of this type and project is for this webhook. A disabled webhook takes no
    /// events.
    #[must_use]
    pub fn wants(&self, event_type: &EventType, project: Option<&ProjectName>) -> bool {
        self.state == WebhookState::Enabled
            && self.settings.events.iter().any(|pattern| pattern.matches(event_type))
            && (self.settings.projects.is_empty()
                || project.is_some_and(|project| self.settings.projects.contains(project)))
    }
}

/// Whether a webhook is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// The webhook is enabled.
    Enabled,
    /// The webhook gets no new deliveries, and its existing ones wait until it is enabled again.
    Disabled {
        /// The reason.
        reason: DisabledReason,
        /// When it was disabled.
        since: Timestamp,
    },
}

/// The reason why a webhook is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner disabled it.
    Manual,
    /// Its endpoint responded with 410 Gone.
    Gone,
    /// All its deliveries have failed for too long.
    Failing,
    /// Its [`expires_at`](WebhookSettings::expires_at) has passed.
    Expired,
}

impl DisabledReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Manual, Self::Gone, Self::Failing, Self::Expired];

    /// Returns the reason's name in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Expired => "expired",
        }
    }

    /// Parses a name from [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Pairs of a key and a value, at most 50. A key has 1 to 40 characters and no control characters. A value has at
/// most 500 characters, and of control characters only line breaks and tabs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<String, String>);

/// The reason why a pair cannot be part of [`Metadata`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The key is empty or too long, or has a control character.
    #[error("must have a key of 1 to {} characters without control characters", Metadata::MAX_KEY)]
    Key,
    /// The value is too long.
    #[error("must be at most {} characters long", Metadata::MAX_VALUE)]
    ValueTooLong,
    /// The value has a control character that is neither a line break nor a tab.
    #[error("must contain no control characters except line breaks (\\n) and tabs")]
    Value,
    /// There are more than 50 pairs.
    #[error("must contain at most {} pairs", Metadata::MAX_PAIRS)]
    TooMany,
}

impl Metadata {
    /// The maximum number of pairs.
    pub const MAX_PAIRS: usize = 50;
    /// The maximum number of characters of a key.
    pub const MAX_KEY: usize = 40;
    /// The maximum number of characters of a value.
    pub const MAX_VALUE: usize = 500;

    /// Sets the value of a key.
    pub fn insert(&mut self, key: String, value: String) -> Result<(), MetadataError> {
        let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
        if !(1..=Self::MAX_KEY).contains(&key.chars().count()) || key.chars().any(char::is_control) {
            return Err(MetadataError::Key);
        }
        if value.chars().count() > Self::MAX_VALUE {
            return Err(MetadataError::ValueTooLong);
        }
        if value.chars().any(is_odd) {
            return Err(MetadataError::Value);
        }
        if self.0.len() == Self::MAX_PAIRS && !self.0.contains_key(&key) {
            return Err(MetadataError::TooMany);
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// Sets the given keys, and removes those without a value.
    pub fn merge(&mut self, changes: Vec<(String, Option<String>)>) -> Result<(), MetadataError> {
        // Removed keys make room for new ones.
        for (key, _) in changes.iter().filter(|(_, value)| value.is_none()) {
            self.0.remove(key);
        }
        changes
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key, value)))
            .try_for_each(|(key, value)| self.insert(key, value))
    }

    /// Returns the values by their keys.
    #[must_use]
    pub const fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = MetadataError;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self, MetadataError> {
        let mut metadata = Self::default();
        pairs.into_iter().try_for_each(|(key, value)| metadata.insert(key, value))?;
        Ok(metadata)
    }
}
