//! The body of `POST /webhooks`.

use std::collections::BTreeMap;

use rdev_webhooks_app::{Catalogue, NewWebhook};
use rdev_webhooks_domain::Access;
use rdev_webhooks_domain::signing::SigningScheme;
use utoipa::ToSchema;

use super::retry::{RetryBody, retry};
use super::settings;
use super::subscription::Subscription;
use crate::openapi::types;
use crate::routes::projects::projects;
use rdev_http::Faults;
use rdev_http::body::{Document, Object};

/// A new webhook. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewWebhook)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
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

/// Reads the whole body. Returns a webhook, or all faults of form; in both cases also what has to be checked
/// for its meaning. The webhook of a project-scoped caller has the caller's projects unless the body names
/// some of them.
pub(super) fn read(
    document: &Document,
    catalogue: &Catalogue,
    access: &Access,
) -> (Subscription, Result<NewWebhook, Faults>) {
    let mut faults = Faults::default();
    let mut subscription = Subscription::new(catalogue);
    let object = document.root().object(&mut faults);
    let new = object.and_then(|object| members(object, access, &mut subscription, &mut faults));
    let read = match new {
        Some(new) if faults.is_empty() => Ok(new),
        _ => Err(faults),
    };
    (subscription, read)
}

fn members(
    mut object: Object<'_>,
    access: &Access,
    subscription: &mut Subscription,
    faults: &mut Faults,
) -> Option<NewWebhook> {
    subscription.url = object.required("url", faults).and_then(|value| value.parsed(faults));
    let events = object.required("events", faults);
    subscription.patterns = events.map(|value| settings::patterns(&value, faults)).unwrap_or_default();

    // An unreadable member is recorded as a fault and has its default meanwhile, so that the members after it
    // are read too.
    let description = object.optional("description").and_then(|value| settings::description(&value, faults));
    let projects = object.optional("projects").and_then(|value| projects(&value, access, faults));
    let headers = object.optional("headers").and_then(|value| settings::headers(&value, false, faults));
    let retry = object.optional("retry").and_then(|value| retry(&value, None, faults));
    let rate_limit = object.optional("rate_limit").and_then(|value| settings::rate_limit(&value, faults));
    let max_in_flight =
        object.optional("max_in_flight").and_then(|value| settings::max_in_flight(&value, faults));
    let timeout = object.optional("timeout_ms").and_then(|value| settings::timeout(&value, faults));
    let signing = object.optional("signing").and_then(|value| value.parsed::<SigningScheme>(faults));
    let enabled = object.optional("enabled").and_then(|value| value.boolean(faults));
    object.finish(faults);

    Some(NewWebhook {
        url: subscription.url.clone()?,
        description,
        events: subscription.events(),
        projects: projects.or_else(|| access.projects.clone()).unwrap_or_default(),
        headers: settings::custom(&headers.unwrap_or_default()),
        retry: retry.unwrap_or_default(),
        timeout,
        rate_limit,
        max_in_flight,
        signing: signing.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
    })
}
