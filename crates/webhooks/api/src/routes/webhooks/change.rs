//! The body of `PATCH /webhooks/{id}`, a JSON merge patch (RFC 7396).

use std::collections::BTreeMap;

use rdev_webhooks_app::{Catalogue, WebhookChange};
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{Access, RetryPolicy, Webhook};
use utoipa::ToSchema;

use super::retry::{RetryBody, retry};
use super::settings;
use super::subscription::Subscription;
use crate::openapi::types;
use crate::routes::projects::projects;
use rdev_http::Faults;
use rdev_http::body::{Document, Object, Value};

/// A JSON merge patch of a webhook: `null` removes a setting or resets it to its default.
#[derive(ToSchema)]
#[schema(as = WebhookPatch)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
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

/// A change, and whether it is valid only for the version it was read against: a partial retry policy is
/// merged over the current one.
pub(super) struct Change {
    pub(super) webhook: WebhookChange,
    pub(super) is_relative: bool,
}

/// Reads the whole body. Returns a change of `present`, or all faults of form; in both cases also what has to
/// be checked for its meaning.
pub(super) fn read(
    document: &Document,
    present: &Webhook,
    catalogue: &Catalogue,
    access: &Access,
) -> (Subscription, Result<Change, Faults>) {
    let mut faults = Faults::default();
    let mut subscription = Subscription::new(catalogue);
    let object = document.root().object(&mut faults);
    let change = object.map(|object| members(object, present, access, &mut subscription, &mut faults));
    let read = match change {
        Some(change) if faults.is_empty() => Ok(change),
        _ => Err(faults),
    };
    (subscription, read)
}

fn members(
    mut object: Object<'_>,
    present: &Webhook,
    access: &Access,
    subscription: &mut Subscription,
    faults: &mut Faults,
) -> Change {
    let mut change = WebhookChange::default();
    if let Some(value) = needed(object.patch("url"), "/url", faults) {
        subscription.url = value.parsed(faults);
        change.url.clone_from(&subscription.url);
    }
    if let Some(value) = needed(object.patch("events"), "/events", faults) {
        subscription.patterns = settings::patterns(&value, faults);
        change.events = Some(subscription.events());
    }
    change.description = settable(object.patch("description"), faults, settings::description);
    // `null` resets the projects to those of a new webhook of this caller.
    change.projects = object.patch("projects").map(|value| match value {
        Some(value) => projects(&value, access, faults).unwrap_or_default(),
        None => access.projects.clone().unwrap_or_default(),
    });
    match object.patch("headers") {
        None => {}
        Some(None) => change.clear_headers = true,
        Some(Some(value)) => {
            change.headers = settings::headers(&value, true, faults).unwrap_or_default();
        }
    }
    let policy = object.patch("retry");
    let is_relative = matches!(policy, Some(Some(_)));
    change.retry = policy.map(|value| match value {
        None => RetryPolicy::default(),
        Some(value) => retry(&value, Some(&present.retry), faults).unwrap_or_default(),
    });
    change.rate_limit = settable(object.patch("rate_limit"), faults, settings::rate_limit);
    change.max_in_flight = settable(object.patch("max_in_flight"), faults, settings::max_in_flight);
    change.timeout = settable(object.patch("timeout_ms"), faults, settings::timeout);
    change.enabled =
        object.patch("enabled").map(|value| value.is_none_or(|value| value.boolean(faults) == Some(true)));
    let signing = object.patch("signing").and_then(|value| match value {
        Some(value) => value.parsed(faults),
        None => Some(SigningScheme::default()),
    });
    if signing.is_some_and(|signing| signing != present.signing) {
        faults.at("/signing", "cannot be changed: create another webhook instead");
    }
    object.finish(faults);
    Change { webhook: change, is_relative }
}

/// Returns a member that may be replaced but not removed.
fn needed<'a>(member: Option<Option<Value<'a>>>, at: &'static str, faults: &mut Faults) -> Option<Value<'a>> {
    if matches!(member, Some(None)) {
        faults.at(at, "cannot be removed: every webhook requires it");
    }
    member.flatten()
}

/// Returns the value of a member that `null` removes.
fn settable<T>(
    member: Option<Option<Value<'_>>>,
    faults: &mut Faults,
    read: impl FnOnce(&Value<'_>, &mut Faults) -> Option<T>,
) -> Option<Option<T>> {
    member.map(|value| value.and_then(|value| read(&value, faults)))
}
