//! The body of `POST /webhooks/{id}/replay`.

use rdev_webhooks_app::NewReplay;
use rdev_webhooks_domain::{Access, DeliveryOutcome, Timestamp, WebhookId};
use utoipa::ToSchema;

use crate::schema_types as types;
use rdev_http::body::{Document, Object, Value};
use rdev_http::{Faults, Problem};

/// A requested replay.
pub(super) struct Request {
    pub(super) new: NewReplay,
    /// True if the deliveries are only counted.
    pub(super) dry_run: bool,
}

/// The deliveries to redeliver. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewReplay)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct ReplayBody {
    /// Only deliveries of events accepted at this time or later.
    #[schema(value_type = types::Timestamp)]
    since: String,
    /// Only deliveries of events accepted before this time; absent for now.
    #[schema(value_type = Option<types::Timestamp>)]
    until: Option<String>,
    /// `failed` by default.
    #[schema(value_type = Option<types::DeliveryOutcome>)]
    status: Option<String>,
    /// Only counts the deliveries.
    #[schema(default = false)]
    dry_run: Option<bool>,
}

/// Reads the whole body. Returns a replay of the deliveries that the caller may see, or all faults of the
/// body.
pub(super) fn read(document: &Document, webhook: WebhookId, access: &Access) -> Result<Request, Problem> {
    let mut faults = Faults::default();
    let object = document.root().object(&mut faults);
    let request = object.and_then(|object| members(object, webhook, access, &mut faults));
    match request {
        Some(request) if faults.is_empty() => Ok(request),
        _ => Err(faults.into()),
    }
}

fn members(
    mut object: Object<'_>,
    webhook: WebhookId,
    access: &Access,
    faults: &mut Faults,
) -> Option<Request> {
    let since = object.required("since", faults).and_then(|value| value.parsed::<Timestamp>(faults));
    let end = object.optional("until");
    let until = end.as_ref().and_then(|value| value.parsed::<Timestamp>(faults));
    if let (Some(since), Some(end), Some(until)) = (since, &end, until)
        && since >= until
    {
        end.fault(faults, "must be later than since");
    }
    let outcome = object.optional("status").and_then(|value| outcome(&value, faults));
    let dry_run = object.optional("dry_run").and_then(|value| value.boolean(faults));
    object.finish(faults);
    let new = NewReplay {
        webhook,
        since: since?,
        until,
        outcome: outcome.unwrap_or_default(),
        projects: access.projects.clone(),
    };
    Some(Request { new, dry_run: dry_run.unwrap_or(false) })
}

fn outcome(value: &Value<'_>, faults: &mut Faults) -> Option<DeliveryOutcome> {
    let name = value.string(faults)?;
    let outcome = DeliveryOutcome::parse(&name);
    if outcome.is_none() {
        let names = DeliveryOutcome::ALL.map(DeliveryOutcome::as_str).join(", ");
        value.fault(faults, format_args!("must be one of {names}"));
    }
    outcome
}
