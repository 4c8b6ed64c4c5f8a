//! Statistics and health.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Circuit;

/// The statistics of a webhook.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct WebhookStatistics {
    /// The webhook.
    pub webhook_id: String,
    /// The beginning of the window.
    pub since: String,
    /// The end of the window.
    pub until: String,
    /// The deliveries that ended.
    pub deliveries: DeliveryStatistics,
    /// The share of the deliveries that succeeded.
    pub success_rate: Option<f64>,
    /// The attempts.
    pub attempts: AttemptStatistics,
    /// How long attempts took.
    pub latency_ms: Option<Quantiles>,
    /// The time from the acceptance of an event to the success of its delivery.
    pub time_to_success_ms: Option<Quantiles>,
    /// The unfinished deliveries.
    pub pending: Backlog,
    /// The circuit breaker of the endpoint.
    pub circuit: Circuit,
}

/// The deliveries that ended in a window.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DeliveryStatistics {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
}

/// The attempts of a window.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AttemptStatistics {
    /// All of them.
    pub total: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those after the first of a delivery.
    pub retries: u64,
    /// Those that failed, by failure class.
    pub failed: BTreeMap<String, u64>,
}

/// Quantiles of durations in milliseconds.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
}

/// The unfinished deliveries.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Backlog {
    /// Their number.
    pub count: u64,
    /// Whether there are more than that.
    pub has_more: bool,
    /// The oldest of them.
    pub oldest: Option<OldestDelivery>,
}

/// The oldest unfinished delivery.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct OldestDelivery {
    /// The id.
    pub id: String,
    /// When it was created.
    pub created_at: String,
    /// Its age.
    pub age_ms: f64,
}

/// The keys that verify an ed25519 webhook's deliveries, as a JSON Web Key Set.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct KeySet {
    /// The keys, the current one first.
    pub keys: Vec<serde_json::Value>,
}

/// The result of a probe.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// `ok`.
    pub status: String,
}

/// The head of the API's description.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// What is described.
    pub info: DescriptionInfo,
}

/// What the description describes.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DescriptionInfo {
    /// The title.
    pub title: String,
    /// The version of the service.
    pub version: String,
}
