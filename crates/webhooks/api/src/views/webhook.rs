//! A webhook as the API shows it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderValue;
use rdev_http::tag;
use rdev_webhooks_app::WebhookCreated;
use rdev_webhooks_domain::signing::{PublicKey, SigningSecret};
use rdev_webhooks_domain::{
    CustomHeaders, EndpointUrl, EventPattern, Health, ProjectName, REDACTED, RetryPolicy, Timestamp, Webhook,
    WebhookId, WebhookState,
};
use secrecy::ExposeSecret;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{CircuitView, Map, Number, Text};
use crate::schema_types as types;

/// A webhook, without its secret and its header values.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView<'a> {
    #[schema(value_type = types::WebhookId)]
    id: Text<WebhookId>,
    #[schema(value_type = types::EndpointUrl)]
    url: Text<&'a EndpointUrl>,
    #[schema(required)]
    description: Option<&'a str>,
    /// What its owner keeps with it.
    metadata: &'a BTreeMap<String, String>,
    /// The event patterns that it subscribes to.
    #[schema(value_type = Vec<types::EventPattern>)]
    events: Vec<Text<&'a EventPattern>>,
    /// The projects whose events it receives; empty for all.
    #[schema(value_type = Vec<types::ProjectName>)]
    projects: Vec<Text<&'a ProjectName>>,
    /// The custom headers, with `[redacted]` in place of each value.
    #[schema(value_type = BTreeMap<types::HeaderName, String>)]
    headers: HeadersView<'a>,
    retry: RetryView<'a>,
    /// Deliveries per second, which all workers keep together; `null` for no limit.
    #[schema(value_type = Option<f64>, required)]
    rate_limit: Option<Number>,
    /// Concurrent deliveries, which all workers keep together; `null` for the worker's own limit.
    #[schema(value_type = Option<u32>, minimum = 1, required)]
    max_in_flight: Option<NonZeroU32>,
    /// The timeout of an attempt; `null` for the worker's own.
    #[schema(value_type = Option<u32>, required)]
    timeout_ms: Option<u128>,
    #[schema(value_type = types::BodyFormat)]
    format: &'static str,
    #[schema(value_type = types::SigningScheme)]
    signing: &'static str,
    /// The key that verifies its deliveries; only for ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::PublicKey, required = false)]
    public_key: Option<Text<PublicKey>>,
    /// Until when the previous secret also signs; only during a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Timestamp, required = false)]
    previous_secret_expires_at: Option<Text<Timestamp>>,
    /// The key that verifies the previous secret's signatures; only for ed25519.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::PublicKey, required = false)]
    previous_public_key: Option<Text<PublicKey>>,
    /// A disabled webhook gets no new deliveries, and its unfinished ones wait.
    enabled: bool,
    /// Why it is disabled; only while it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::DisabledReason, required = false)]
    disabled_reason: Option<&'static str>,
    /// When it was disabled; only while it is disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Timestamp, required = false)]
    disabled_at: Option<Text<Timestamp>>,
    /// When it is disabled, if it is enabled then; `null` for never.
    #[schema(value_type = Option<types::Timestamp>, required)]
    expires_at: Option<Text<Timestamp>>,
    circuit: CircuitView,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    updated_at: Text<Timestamp>,
    #[serde(skip)]
    version: u64,
}

impl<'a> WebhookView<'a> {
    /// Returns the webhook as it is at `now`.
    pub(crate) fn new(webhook: &'a Webhook, circuit: CircuitView, now: Timestamp) -> Self {
        let settings = &webhook.settings;
        let previous = webhook.previous_secret_at(now);
        let disabled = match webhook.state {
            WebhookState::Enabled => None,
            WebhookState::Disabled { reason, since } => Some((reason, since)),
        };
        Self {
            id: Text(webhook.id),
            url: Text(&settings.url),
            description: settings.description.as_deref(),
            metadata: settings.metadata.as_map(),
            events: settings.events.iter().map(Text).collect(),
            projects: settings.projects.iter().map(Text).collect(),
            headers: HeadersView(&settings.headers),
            retry: RetryView::from(&settings.retry),
            rate_limit: settings.rate_limit.map(|rate| Number(rate.as_per_second())),
            max_in_flight: settings.max_in_flight,
            timeout_ms: settings.timeout.as_ref().map(Duration::as_millis),
            format: settings.format.as_str(),
            signing: settings.signing.as_str(),
            public_key: webhook.public_key.map(Text),
            previous_secret_expires_at: previous.map(|previous| Text(previous.until)),
            previous_public_key: previous.and_then(|previous| previous.public_key).map(Text),
            enabled: disabled.is_none(),
            disabled_reason: disabled.map(|(reason, _)| reason.as_str()),
            disabled_at: disabled.map(|(_, since)| Text(since)),
            expires_at: settings.expires_at.map(Text),
            circuit,
            created_at: Text(webhook.created_at),
            updated_at: Text(webhook.updated_at),
            version: webhook.version,
        }
    }

    /// Returns the entity tag. It is the version, with `rotating` while two secrets sign, and with what is shown
    /// of the circuit while the endpoint fails.
    pub(crate) fn etag(&self) -> HeaderValue {
        let rotating = self.previous_secret_expires_at.map(|_| "rotating".to_owned());
        let circuit = (!self.circuit.is_well()).then(|| self.circuit.to_string());
        tag::of_version(self.version, &rotating.into_iter().chain(circuit).collect::<Vec<_>>())
    }
}

/// A new webhook, with its signing secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(crate) struct CreatedView<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    /// The signing secret: `whsec_…`, or `whsk_…` for ed25519. It is shown only once.
    #[schema(value_type = String)]
    secret: SecretView<'a>,
}

impl<'a> From<&'a WebhookCreated> for CreatedView<'a> {
    fn from(created: &'a WebhookCreated) -> Self {
        // Nothing has been sent yet.
        let now = created.webhook.created_at;
        let circuit = CircuitView::new(&Health::default(), now);
        Self {
            webhook: WebhookView::new(&created.webhook, circuit, now),
            secret: SecretView(&created.secret),
        }
    }
}

/// A webhook, with its new signing secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithNewSecret)]
pub(crate) struct RotatedView<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    /// The new signing secret. It is shown only once.
    #[schema(value_type = String)]
    secret: SecretView<'a>,
}

impl<'a> RotatedView<'a> {
    pub(crate) fn new(webhook: WebhookView<'a>, secret: &'a SigningSecret) -> Self {
        Self { webhook, secret: SecretView(secret) }
    }
}

struct SecretView<'a>(&'a SigningSecret);

impl Serialize for SecretView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose().expose_secret())
    }
}

/// The names of custom headers; their values are secrets.
struct HeadersView<'a>(&'a CustomHeaders);

impl Serialize for HeadersView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names: Vec<&str> = self.0.names().collect();
        Map(names.iter().map(|name| (*name, REDACTED))).serialize(serializer)
    }
}

/// A retry policy: exponential backoff or a schedule.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = RetryPolicy)]
enum RetryView<'a> {
    #[schema(title = "Backoff")]
    Exponential {
        max_attempts: u32,
        #[schema(value_type = u64)]
        initial_backoff_ms: u128,
        #[schema(value_type = f64)]
        multiplier: Number,
        #[schema(value_type = u64)]
        max_backoff_ms: u128,
    },
    #[schema(title = "Schedule")]
    Schedule {
        /// The wait before each attempt after the first.
        #[schema(value_type = Vec<u64>)]
        schedule_ms: Milliseconds<'a>,
    },
}

impl<'a> From<&'a RetryPolicy> for RetryView<'a> {
    fn from(policy: &'a RetryPolicy) -> Self {
        match policy.as_exponential() {
            Some((max_attempts, initial, multiplier, max)) => Self::Exponential {
                max_attempts,
                initial_backoff_ms: initial.as_millis(),
                multiplier: Number(multiplier),
                max_backoff_ms: max.as_millis(),
            },
            None => Self::Schedule { schedule_ms: Milliseconds(policy.as_schedule().unwrap_or_default()) },
        }
    }
}

struct Milliseconds<'a>(&'a [Duration]);

impl Serialize for Milliseconds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Duration::as_millis))
    }
}
