//! Reads the body that creates a webhook and the merge patch (RFC 7396) that updates one.

use std::num::NonZeroU32;

use rdev_webhooks_app::EventTypeRegistry;
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{Access, CustomHeaders, Webhook, WebhookSettings, WebhookState};

use super::new::WebhookBody;
use super::subscription::Subscription;
use crate::routes::projects::visible;
use rdev_http::Faults;
use rdev_http::body::Document;
use rdev_http::kind::Kind;
use rdev_http::members::{Patched, pointer};

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
