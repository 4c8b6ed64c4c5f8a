//! The body that creates a webhook, which is also the merge patch (RFC 7396) that updates one.

use std::borrow::Cow;
use std::num::NonZeroU32;

use rdev_webhooks_app::EventTypeRegistry;
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{Access, CustomHeaders, Metadata, Webhook, WebhookSettings, WebhookState};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::retry::{Milliseconds, RetryBody};
use super::settings::{Description, Headers, MetadataPairs, Rate};
use super::subscription::Subscription;
use crate::routes::projects::{MAX_PROJECTS, visible};
use crate::schema_types as types;
use rdev_http::Faults;
use rdev_http::body::Document;
use rdev_http::kind::{Integer, Kind, List};
use rdev_http::members::{self, Patch, Patched, pointer};

rdev_http::members! {
    /// A new webhook. `null` means that an optional member is absent.
    pub(super) struct WebhookBody as NewWebhook {
        url: types::EndpointUrl,
        /// The events to send: event types, a prefix like `command.*`, or `*` for all types that producers publish.
        /// `webhook.disabled` or `webhook.*` for operational events.
        events: List<types::EventPattern, 1, 100>,
        description: Patch<Description>,
        /// Pairs of strings to keep with the webhook, such as a tenant. They change nothing about the deliveries.
        metadata: Patch<MetadataPairs>,
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

/// What a body asks for: the settings, and whether the webhook is enabled.
pub(super) struct Request {
    pub(super) settings: WebhookSettings,
    pub(super) enabled: bool,
}

/// Reads the whole body of a new webhook, or of an update of `present`. Returns what it asks for, or all faults
/// of form; in both cases also what has to be checked for its meaning.
///
/// A member that is absent keeps the present setting. `null` means the default, which a new webhook also has
/// for an absent member; the default projects are those of a project-scoped caller.
pub(super) fn read(
    document: &Document,
    present: Option<&Webhook>,
    event_types: &EventTypeRegistry,
    access: &Access,
) -> (Subscription, Result<Request, Faults>) {
    let mut faults = Faults::default();
    let mut subscription = Subscription::new(event_types);
    let root = document.root();
    let root = if present.is_some() { root.as_patch_of("webhook") } else { root };
    let body = WebhookBody::read(&root, &mut faults);
    let request = body.and_then(|body| request(body, present, access, &mut subscription, &mut faults));
    (subscription, faults.or(request))
}

// An unreadable member is recorded as a fault and has its default meanwhile, so that the members after it are
// checked too.
fn request(
    body: WebhookBody,
    present: Option<&Webhook>,
    access: &Access,
    subscription: &mut Subscription,
    faults: &mut Faults,
) -> Option<Request> {
    let base = present.map(|webhook| &webhook.settings);
    subscription.url = body.url;
    let has_events = body.events.is_some();
    subscription.patterns = body.events.unwrap_or_default();

    let own_projects = access.projects.clone().unwrap_or_default();
    let projects = match body.projects {
        Patched::Absent => base.map(|base| base.projects.clone()),
        Patched::Value(projects) => Some(visible(projects, access, faults)),
        _ => None,
    };
    let retry = match body.retry {
        Patched::Absent => base.map(|base| base.retry.clone()),
        Patched::Value(retry) => retry.over(base.map(|base| &base.retry), faults),
        _ => None,
    };
    let signing = body.signing.resolve(base.map(|base| base.signing), Some(SigningScheme::default()));
    if base.zip(signing).is_some_and(|(base, signing)| base.signing != signing) {
        faults.at("/signing", "cannot be changed: create another webhook instead");
    }
    let is_enabled = present.is_none_or(|webhook| webhook.state == WebhookState::Enabled);
    let max_in_flight = base.and_then(|base| base.max_in_flight).map(NonZeroU32::get);
    let max_in_flight = body.max_in_flight.resolve(max_in_flight, None);
    let settings = WebhookSettings {
        description: body.description.resolve(base.and_then(|base| base.description.clone()), None),
        metadata: metadata(body.metadata, base, faults),
        projects: projects.unwrap_or(own_projects),
        headers: headers(body.headers, base, faults),
        retry: retry.unwrap_or_default(),
        rate_limit: body.rate_limit.resolve(base.and_then(|base| base.rate_limit), None),
        max_in_flight: max_in_flight.and_then(NonZeroU32::new),
        timeout: body.timeout_ms.resolve(base.and_then(|base| base.timeout), None),
        signing: signing.unwrap_or_default(),
        url: subscription.url.clone().or_else(|| base.map(|base| base.url.clone()))?,
        events: if has_events { subscription.events() } else { base?.events.clone() },
    };
    Some(Request { settings, enabled: body.enabled.resolve(Some(is_enabled), None).unwrap_or(true) })
}

/// Merges the headers of a body over the present ones.
fn headers(
    member: Patched<Vec<(String, Option<String>)>>,
    base: Option<&WebhookSettings>,
    faults: &mut Faults,
) -> CustomHeaders {
    let present = base.map(|base| base.headers.clone()).unwrap_or_default();
    match member {
        Patched::Absent => present,
        Patched::Value(changes) => {
            let mut headers = present;
            if let Err((name, fault)) = headers.merge(&changes) {
                faults.at(pointer("/headers", name), fault);
            }
            headers
        }
        _ => CustomHeaders::default(),
    }
}

/// Merges the metadata of a body over the present ones.
fn metadata(
    member: Patched<Vec<(String, Option<String>)>>,
    base: Option<&WebhookSettings>,
    faults: &mut Faults,
) -> Metadata {
    let mut metadata = base.map(|base| base.metadata.clone()).unwrap_or_default();
    match member {
        Patched::Absent => metadata,
        Patched::Value(changes) => {
            if let Err(fault) = metadata.merge(changes) {
                faults.at("/metadata", fault);
            }
            metadata
        }
        _ => Metadata::default(),
    }
}

/// The description of the body of `PATCH /webhooks/{id}`: the members of a new webhook, all of them optional.
pub(super) enum WebhookPatchBody {}

impl PartialSchema for WebhookPatchBody {
    fn schema() -> RefOr<Schema> {
        let mut members = WebhookBody::described();
        for member in &mut members {
            (member.is_required, member.default) = (false, None);
            let about = match member.name {
                "events" => "Replaces the event patterns.",
                "projects" => "Replaces the projects.",
                "headers" => "Sets the given headers, and removes those that are `null`.",
                "metadata" => "Sets the given pairs, and removes those that are `null`.",
                "max_in_flight" => "Concurrent deliveries in each worker process.",
                "signing" => "Must equal the current scheme: it cannot be changed.",
                _ => continue,
            };
            member.about = about.to_owned();
            match member.name {
                "headers" => member.shape = Headers::with_values::<types::HeaderChange>(),
                "metadata" => member.shape = MetadataPairs::in_patch(),
                _ => {}
            }
        }
        let about = "A JSON merge patch of a webhook: `null` removes a setting or resets it to its default.";
        members::object(about, members).into()
    }
}

impl ToSchema for WebhookPatchBody {
    fn name() -> Cow<'static, str> {
        "WebhookPatch".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((types::HeaderValue::name().into(), types::HeaderValue::schema()));
        schemas.push((types::HeaderChange::name().into(), types::HeaderChange::schema()));
    }
}
