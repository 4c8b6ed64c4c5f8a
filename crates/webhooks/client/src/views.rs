//! What the service sends.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The result of publishing an event.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AcceptedEvent {
    /// The id of the event.
    pub id: String,
    /// The number of its deliveries.
    pub deliveries: u64,
}

/// The result of publishing a batch.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AcceptedEvents {
    /// One result for each event, in the order of the batch.
    pub events: Vec<AcceptedEvent>,
}

/// An event.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// The id.
    pub id: String,
    /// The event type.
    pub event: String,
    /// When it happened, according to its producer.
    pub timestamp: String,
    /// The project.
    pub project: Option<String>,
    /// The producer's own key.
    pub key: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// The data byte for byte; `None` if it is too long for a list.
    pub data: Option<Box<RawValue>>,
    /// The deliveries.
    pub deliveries: EventDeliveries,
    /// Why there are no deliveries.
    pub undelivered_reason: Option<String>,
}

/// The deliveries of an event: their number by status, and of a single event also themselves.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct EventDeliveries {
    /// All of them.
    pub total: u64,
    /// Those that wait for their first attempt.
    pub pending: u64,
    /// Those that are being sent.
    pub in_flight: u64,
    /// Those that wait for another attempt.
    pub retrying: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// The first hundred of a single event.
    #[serde(default)]
    pub data: Vec<Delivery>,
    /// Whether a single event has more.
    #[serde(default)]
    pub has_more: bool,
}

/// An event of the feed.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct FeedEvent {
    /// The id.
    pub id: String,
    /// The event type.
    pub event: String,
    /// When it happened, according to its producer.
    pub timestamp: String,
    /// The project.
    pub project: Option<String>,
    /// The data, byte for byte as it was published.
    pub data: Box<RawValue>,
}

/// A webhook.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// The id.
    pub id: String,
    /// The URL of the endpoint.
    pub url: String,
    /// The description.
    pub description: Option<String>,
    /// The owner's own values.
    pub metadata: BTreeMap<String, String>,
    /// The patterns of the event types.
    pub events: Vec<String>,
    /// The projects whose events it gets; empty for all.
    pub projects: Vec<String>,
    /// The custom headers, with redacted values.
    pub headers: BTreeMap<String, String>,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// The maximum number of deliveries in a second.
    pub rate_limit: Option<f64>,
    /// The maximum number of deliveries in flight.
    pub max_in_flight: Option<u32>,
    /// The deadline of an attempt.
    pub timeout_ms: Option<u64>,
    /// The format of the bodies.
    pub format: String,
    /// The signing scheme.
    pub signing: String,
    /// The public key of an ed25519 webhook.
    pub public_key: Option<String>,
    /// Until when the previous secret also signs.
    pub previous_secret_expires_at: Option<String>,
    /// The public key of the previous secret.
    pub previous_public_key: Option<String>,
    /// Whether it receives new deliveries.
    pub enabled: bool,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// When it was disabled.
    pub disabled_at: Option<String>,
    /// When it expires.
    pub expires_at: Option<String>,
    /// The circuit breaker of its endpoint.
    pub circuit: Circuit,
    /// When it was created.
    pub created_at: String,
    /// When it was changed last.
    pub updated_at: String,
    /// The signing secret, after its creation and its rotation only.
    pub secret: Option<String>,
}

/// A retry policy: a backoff or a schedule.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The maximum number of automatic attempts.
    pub max_attempts: Option<u32>,
    /// The wait after the first attempt.
    pub initial_backoff_ms: Option<u64>,
    /// The factor of each further wait.
    pub multiplier: Option<f64>,
    /// The longest wait.
    pub max_backoff_ms: Option<u64>,
    /// The wait before each attempt after the first.
    pub schedule_ms: Option<Vec<u64>>,
}

/// The circuit breaker of a webhook's endpoint.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Circuit {
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Until when it is open.
    pub open_until: Option<String>,
    /// The number of failures in a row.
    pub consecutive_failures: u64,
    /// Since when all attempts have failed.
    pub failing_since: Option<String>,
}

/// A delivery. Lists leave out the request and the last attempt.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Delivery {
    /// The id.
    pub id: String,
    /// The event.
    pub event_id: String,
    /// The event type.
    pub event: String,
    /// The project.
    pub project: Option<String>,
    /// The webhook.
    pub webhook_id: String,
    /// The status.
    pub status: String,
    /// The number of attempts.
    pub attempts: u32,
    /// The earliest time of the next attempt, if it is known.
    pub next_attempt_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed or was cancelled, for programs.
    pub reason: Option<String>,
    /// Why it failed or was cancelled, for people.
    pub reason_detail: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// What it waits for, apart from the time of its next attempt.
    pub waiting_for: Option<String>,
    /// The request.
    pub request: Option<DeliveryRequest>,
    /// The last attempt.
    pub last_attempt: Option<Attempt>,
}

/// The request of a delivery.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DeliveryRequest {
    /// The method.
    pub method: String,
    /// The URL; `None` if the webhook was deleted.
    pub url: Option<String>,
    /// The headers of the last attempt.
    pub headers: Option<BTreeMap<String, String>>,
    /// The body.
    pub body: String,
}

/// An attempt of a delivery.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The id.
    pub id: String,
    /// The number, from 1.
    pub number: u32,
    /// Why it was made.
    pub trigger: String,
    /// When it began.
    pub started_at: String,
    /// How long it took.
    pub duration_ms: f64,
    /// How long its phases took.
    pub phases: AttemptPhases,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// Why it failed.
    pub error: Option<AttemptError>,
    /// The response.
    pub response: Option<AttemptResponse>,
    /// When the next attempt is due.
    pub next_attempt_at: Option<String>,
}

/// The durations of an attempt's phases.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AttemptPhases {
    /// The name look-up.
    pub dns_ms: Option<f64>,
    /// The TCP connection.
    pub connect_ms: Option<f64>,
    /// The TLS handshake.
    pub tls_ms: Option<f64>,
    /// The wait for the first byte.
    pub first_byte_ms: Option<f64>,
}

/// The failure of an attempt.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AttemptError {
    /// The failure class.
    pub class: String,
    /// The failure, for people.
    pub detail: String,
}

/// The response to an attempt.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AttemptResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, each a name and a value.
    pub headers: Vec<Vec<String>>,
    /// The beginning of the body.
    pub body: String,
    /// The encoding of `body`: `utf-8` or `base64`.
    pub body_encoding: String,
    /// Whether the body was longer.
    pub truncated: bool,
}
