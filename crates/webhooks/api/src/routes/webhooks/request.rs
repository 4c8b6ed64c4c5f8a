//! Reads the body that creates a webhook and the merge patch (RFC 7396) that updates one.

use rdev_webhooks_app::EventTypeRegistry;
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{Access, CustomHeaders, Webhook, WebhookSettings, WebhookState};

use super::retry::retry;
use super::settings;
use super::subscription::Subscription;
use crate::routes::projects::projects;
use rdev_http::Faults;
use rdev_http::body::{Document, Object, Value, pointer};

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
    let object = document.root().object(&mut faults);
    let request = object.and_then(|object| members(object, present, access, &mut subscription, &mut faults));
    let read = match request {
        Some(request) if faults.is_empty() => Ok(request),
        _ => Err(faults),
    };
    (subscription, read)
}

// An unreadable member is recorded as a fault and has its default meanwhile, so that the members after it are
// read too.
fn members(
    mut object: Object<'_>,
    present: Option<&Webhook>,
    access: &Access,
    subscription: &mut Subscription,
    faults: &mut Faults,
) -> Option<Request> {
    let base = present.map(|webhook| &webhook.settings);
    let url = needed(&mut object, "url", present, faults);
    subscription.url = url.and_then(|value| value.parsed(faults));
    let events = needed(&mut object, "events", present, faults);
    let has_events = events.is_some();
    subscription.patterns = events.map(|value| settings::patterns(&value, faults)).unwrap_or_default();

    let description = object.patch("description");
    let description =
        setting(description, base.and_then(|base| base.description.clone()), faults, settings::description);
    let own_projects = || access.projects.clone().unwrap_or_default();
    let projects = match (object.patch("projects"), base) {
        (None, Some(base)) => base.projects.clone(),
        (None | Some(None), _) => own_projects(),
        (Some(Some(value)), _) => projects(&value, access, faults).unwrap_or_default(),
    };
    let headers = headers(object.patch("headers"), base, faults);
    let retry = match (object.patch("retry"), base) {
        (None, Some(base)) => base.retry.clone(),
        (Some(Some(value)), _) => retry(&value, base.map(|base| &base.retry), faults).unwrap_or_default(),
        _ => Default::default(),
    };
    let rate_limit = object.patch("rate_limit");
    let rate_limit = setting(rate_limit, base.and_then(|base| base.rate_limit), faults, settings::rate_limit);
    let max_in_flight = object.patch("max_in_flight");
    let max_in_flight =
        setting(max_in_flight, base.and_then(|base| base.max_in_flight), faults, settings::max_in_flight);
    let timeout = object.patch("timeout_ms");
    let timeout = setting(timeout, base.and_then(|base| base.timeout), faults, settings::timeout);
    let signing = match object.patch("signing") {
        None => base.map(|base| base.signing),
        Some(None) => Some(SigningScheme::default()),
        Some(Some(value)) => value.parsed(faults),
    };
    if base.zip(signing).is_some_and(|(base, signing)| base.signing != signing) {
        object.fault("signing", "cannot be changed: create another webhook instead", faults);
    }
    let is_enabled = present.is_none_or(|webhook| webhook.state == WebhookState::Enabled);
    let enabled =
        setting(object.patch("enabled"), Some(is_enabled), faults, |value, faults| value.boolean(faults));
    object.finish(faults);

    let events = if has_events { subscription.events() } else { base?.events.clone() };
    let settings = WebhookSettings {
        url: subscription.url.clone().or_else(|| base.map(|base| base.url.clone()))?,
        description,
        events,
        projects,
        headers,
        retry,
        timeout,
        rate_limit,
        max_in_flight,
        signing: signing.unwrap_or_default(),
    };
    Some(Request { settings, enabled: enabled.unwrap_or(true) })
}

/// Takes a member that every webhook requires.
fn needed<'a>(
    object: &mut Object<'a>,
    name: &'static str,
    present: Option<&Webhook>,
    faults: &mut Faults,
) -> Option<Value<'a>> {
    if present.is_none() {
        return object.required(name, faults);
    }
    let value = object.patch(name)?;
    if value.is_none() {
        object.fault(name, "cannot be removed: every webhook requires it", faults);
    }
    value
}

/// Returns the setting of a member: the present one if it is absent, and none if it is `null`.
fn setting<T>(
    member: Option<Option<Value<'_>>>,
    present: Option<T>,
    faults: &mut Faults,
    read: impl FnOnce(&Value<'_>, &mut Faults) -> Option<T>,
) -> Option<T> {
    match member {
        None => present,
        Some(value) => value.and_then(|value| read(&value, faults)),
    }
}

/// Merges the headers of a body over the present ones.
fn headers(
    member: Option<Option<Value<'_>>>,
    base: Option<&WebhookSettings>,
    faults: &mut Faults,
) -> CustomHeaders {
    let mut headers = base.map(|base| base.headers.clone()).unwrap_or_default();
    match member {
        None => {}
        Some(None) => headers = CustomHeaders::default(),
        Some(Some(value)) => {
            let changes = settings::headers(&value, base.is_some(), faults).unwrap_or_default();
            if let Err((name, fault)) = headers.merge(&changes) {
                faults.at(pointer("/headers", name), fault);
            }
        }
    }
    headers
}
