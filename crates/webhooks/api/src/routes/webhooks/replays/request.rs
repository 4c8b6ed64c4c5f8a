//! The body of `POST /webhooks/{id}/replay`.

use rdev_webhooks_app::NewReplay;
use rdev_webhooks_domain::{Access, WebhookId};

use crate::schema_types as types;
use rdev_http::body::Document;
use rdev_http::kind::Kind;
use rdev_http::{Faults, Problem};

/// A requested replay.
pub(super) struct Request {
    pub(super) new: NewReplay,
    /// True if the deliveries are only counted.
    pub(super) dry_run: bool,
}

rdev_http::members! {
    /// The deliveries to redeliver. `null` means that an optional member is absent.
    pub(super) struct ReplayBody as NewReplay {
        /// Only deliveries of events accepted at this time or later.
        since: types::Timestamp,
        /// Only deliveries of events accepted before this time; absent for now.
        until: Option<types::Timestamp>,
        /// `failed` by default. `missing` sends the events that the webhook subscribes to now and has no delivery of.
        status: Option<types::ReplayStatus>,
        /// Only counts the deliveries.
        dry_run: Option<bool> = false,
    }
}

/// Reads the whole body. Returns a replay of the deliveries that the caller may see, or all faults of the
/// body.
pub(super) fn read(document: &Document, webhook: WebhookId, access: &Access) -> Result<Request, Problem> {
    let mut faults = Faults::default();
    let body = ReplayBody::read(&document.root(), &mut faults);
    let request = body.and_then(|ReplayBody { since, until, status, dry_run }| {
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            faults.at("/until", "must be later than since");
        }
        let (status, projects) = (status.unwrap_or_default(), access.projects.clone());
        let new = NewReplay { webhook, since: since?, until, status, projects };
        Some(Request { new, dry_run: dry_run.unwrap_or(false) })
    });
    Ok(faults.or(request)?)
}
