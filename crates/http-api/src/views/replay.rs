//! A replay as the API shows it.

use rdev_webhooks_domain::{Matched, Replay, ReplayId, ReplaySelection, ReplayState, Timestamp, WebhookId};
use serde::Serialize;

use super::Text;

/// A replay and how far it is.
#[derive(Serialize)]
pub(crate) struct ReplayView {
    id: Text<ReplayId>,
    webhook_id: Text<WebhookId>,
    state: &'static str,
    reason: Option<&'static str>,
    #[serde(flatten)]
    found: Found,
    queued: u64,
    waiting: u32,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
    created_at: Text<Timestamp>,
    finished_at: Option<Text<Timestamp>>,
}

/// What a replay would take.
#[derive(Serialize)]
pub(crate) struct DryRunView {
    dry_run: bool,
    webhook_id: Text<WebhookId>,
    #[serde(flatten)]
    found: Found,
}

/// What is asked for, and how many deliveries that is.
#[derive(Serialize)]
struct Found {
    since: Text<Timestamp>,
    until: Text<Timestamp>,
    status: &'static str,
    count: u64,
    count_is_exact: bool,
}

impl Found {
    fn new(selection: &ReplaySelection, matched: Matched) -> Self {
        Self {
            since: Text(selection.since),
            until: Text(selection.until),
            status: selection.outcome.as_str(),
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
