//! A replay as the API shows it.

use rdev_webhooks_domain::{Matched, Replay, ReplayId, ReplaySelection, ReplayState, Timestamp, WebhookId};
use serde::Serialize;
use utoipa::ToSchema;

use super::Text;
use crate::schema_types as types;

/// A replay and its progress.
#[derive(Serialize, ToSchema)]
#[schema(as = Replay)]
pub(crate) struct ReplayView {
    #[schema(value_type = types::ReplayId)]
    id: Text<ReplayId>,
    #[schema(value_type = types::WebhookId)]
    webhook_id: Text<WebhookId>,
    #[schema(value_type = types::ReplayState)]
    state: &'static str,
    /// Why the replay was cancelled.
    #[schema(value_type = Option<types::ReplayCancelReason>, required)]
    reason: Option<&'static str>,
    #[serde(flatten)]
    found: Found,
    /// The number of deliveries queued so far.
    queued: u64,
    /// The number of queued deliveries that are waiting or in flight.
    waiting: u32,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    #[schema(value_type = Option<types::Timestamp>, required)]
    finished_at: Option<Text<Timestamp>>,
}

/// The deliveries that a replay would redeliver.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplayDryRun)]
pub(crate) struct DryRunView {
    /// Always true.
    dry_run: bool,
    #[schema(value_type = types::WebhookId)]
    webhook_id: Text<WebhookId>,
    #[serde(flatten)]
    found: Found,
}

/// A selection of deliveries, and how many there are.
#[derive(Serialize, ToSchema)]
#[schema(as = ReplaySelection)]
struct Found {
    #[schema(value_type = types::Timestamp)]
    since: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    until: Text<Timestamp>,
    #[schema(value_type = types::ReplayStatus)]
    status: &'static str,
    /// The number of matching deliveries, or of missing events, when the replay was requested.
    count: u64,
    /// False if there are more than were counted.
    count_is_exact: bool,
}

impl Found {
    fn new(selection: &ReplaySelection, matched: Matched) -> Self {
        Self {
            since: Text(selection.since),
            until: Text(selection.until),
            status: selection.status.as_str(),
            count: matched.deliveries,
            count_is_exact: matched.is_exact,
        }
    }
}

impl From<&Replay> for ReplayView {
    fn from(replay: &Replay) -> Self {
        let reason = match replay.state {
            ReplayState::Cancelled { reason, .. } => Some(reason.as_str()),
            ReplayState::Running | ReplayState::Completed { .. } => None,
        };
        Self {
            id: Text(replay.id),
            webhook_id: Text(replay.selection.webhook_id),
            state: replay.state.as_str(),
            reason,
            found: Found::new(&replay.selection, replay.matched),
            queued: replay.queued,
            waiting: replay.waiting,
            succeeded: replay.succeeded,
            failed: replay.failed,
            cancelled: replay.cancelled,
            created_at: Text(replay.matched.at),
            finished_at: replay.state.ended_at().map(Text),
        }
    }
}

impl DryRunView {
    pub(crate) fn new(selection: &ReplaySelection, matched: Matched) -> Self {
        let webhook_id = Text(selection.webhook_id);
        Self { dry_run: true, webhook_id, found: Found::new(selection, matched) }
    }
}
