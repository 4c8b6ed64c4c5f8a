//! The body of `PATCH /webhooks/{id}`, a JSON merge patch (RFC 7396).

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::retry::RetryBody;
use crate::schema_types as types;

/// A JSON merge patch of a webhook: `null` removes a setting or resets it to its default.
#[derive(ToSchema)]
#[schema(as = WebhookPatch)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `request::read` reads")]
pub(super) struct WebhookPatchBody {
    #[schema(value_type = types::EndpointUrl, required = false)]
    url: String,
    /// Replaces the event patterns.
    #[schema(value_type = Vec<types::EventPattern>, min_items = 1, max_items = 100, required = false)]
    events: Vec<String>,
    #[schema(max_length = 1_000)]
    description: Option<String>,
    /// Replaces the projects.
    #[schema(value_type = Option<Vec<types::ProjectName>>, max_items = 100)]
    projects: Option<Vec<String>>,
    /// Sets the given headers, and removes those that are `null`.
    #[schema(value_type = Option<BTreeMap<types::HeaderName, types::HeaderChange>>)]
    headers: Option<BTreeMap<String, Option<String>>>,
    retry: Option<RetryBody>,
    /// Deliveries per second in each worker process.
    #[schema(minimum = 0.001, maximum = 10_000)]
    rate_limit: Option<f64>,
    /// Concurrent deliveries in each worker process.
    #[schema(minimum = 1, maximum = 1_000)]
    max_in_flight: Option<u32>,
    /// The timeout of an attempt.
    #[schema(minimum = 100, maximum = 60_000)]
    timeout_ms: Option<u32>,
    /// Must equal the current scheme: it cannot be changed.
    #[schema(value_type = Option<types::SigningScheme>)]
    signing: Option<String>,
    enabled: Option<bool>,
}
