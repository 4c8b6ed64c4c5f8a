//! The body of `POST /webhooks`, and of `PATCH /webhooks/{id}` as a merge patch.

use super::retry::{Milliseconds, RetryBody};
use super::settings::{Description, Headers, Rate};
use crate::routes::projects::MAX_PROJECTS;
use crate::schema_types as types;
use rdev_http::kind::{Integer, List};
use rdev_http::members::Patch;

rdev_http::members! {
    /// A new webhook. `null` means that an optional member is absent.
    pub(super) struct WebhookBody as NewWebhook {
        url: types::EndpointUrl,
        /// The events to send: event types, a prefix like `command.*`, or `*` for all types that producers publish.
        /// `webhook.disabled` or `webhook.*` for operational events.
        events: List<types::EventPattern, 1, 100>,
        description: Patch<Description>,
        /// The projects whose events to send; empty for all.
        projects: Patch<List<types::ProjectName, 0, MAX_PROJECTS>>,
        /// Custom headers to send, at most 32. Their values are kept secret.
        headers: Patch<Headers>,
        retry: Patch<RetryBody>,
        /// Deliveries per second in each worker process.
        rate_limit: Patch<Rate>,
        /// Concurrent deliveries in each worker process, once the endpoint has shown that it responds.
        max_in_flight: Patch<Integer<1, 1_000>>,
        /// The timeout of an attempt.
        timeout_ms: Patch<Milliseconds<100, 60_000>>,
        /// `hmac-sha256` by default. It cannot be changed later.
        signing: Patch<types::SigningScheme>,
        enabled: Patch<bool> = true,
    }
}
