//! The body of `POST /webhooks`.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::retry::RetryBody;
use crate::schema_types as types;

/// A new webhook. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewWebhook)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `request::read` reads")]
pub(super) struct NewWebhookBody {
    #[schema(value_type = types::EndpointUrl)]
    url: String,
    /// The events to send: event types, a prefix like `command.*`, or `*` for all types that producers publish.
    /// `webhook.disabled` or `webhook.*` for operational events.
    #[schema(value_type = Vec<types::EventPattern>, min_items = 1, max_items = 100)]
    events: Vec<String>,
    #[schema(max_length = 1_000)]
    description: Option<String>,
    /// The projects whose events to send; empty for all.
    #[schema(value_type = Option<Vec<types::ProjectName>>, max_items = 100)]
    projects: Option<Vec<String>>,
    /// Custom headers to send, at most 32. Their values are kept secret.
    #[schema(value_type = Option<BTreeMap<types::HeaderName, types::HeaderValue>>)]
    headers: Option<BTreeMap<String, String>>,
    retry: Option<RetryBody>,
    /// Deliveries per second in each worker process.
    #[schema(minimum = 0.001, maximum = 10_000)]
    rate_limit: Option<f64>,
    /// Concurrent deliveries in each worker process, once the endpoint has shown that it responds.
    #[schema(minimum = 1, maximum = 1_000)]
    max_in_flight: Option<u32>,
    /// The timeout of an attempt.
    #[schema(minimum = 100, maximum = 60_000)]
    timeout_ms: Option<u32>,
    /// `hmac-sha256` by default. It cannot be changed later.
    #[schema(value_type = Option<types::SigningScheme>)]
    signing: Option<String>,
    #[schema(default = true)]
    enabled: Option<bool>,
}
