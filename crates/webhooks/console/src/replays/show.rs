//! One replay: its progress, and its end.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, OperationIds, PathIds, Problem};
use rdev_pages::{Badge, Moment, Notice, View};
use rdev_webhooks_app::{ReplayError, Services, WebhookError};
use rdev_webhooks_domain::{Access, Replay, ReplayId, ReplayState, WebhookId, scopes};

use super::{badge, failed, what};
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "replays/show.html")]
struct ShowPage {
    /// The path of the webhook, and its URL; `None` if it was deleted.
    webhook: Option<(String, String)>,
    list: String,
    what: &'static str,
    state: Badge,
    is_running: bool,
    ended: Option<Moment>,
    since: Moment,
    until: Moment,
    replay: Replay,
    done: u64,
    cancel: Option<String>,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathIds(webhook, replay): PathIds<WebhookId, ReplayId>,
) -> Result<Response, Problem> {
    let replay = find(&services, &caller.access, webhook, replay).await?;
    let path = format!("/webhooks/{webhook}");
    let receiver = match services.webhooks.get(&caller.access, webhook).await {
        Ok(webhook) => Some((view.url(&path), webhook.settings.url.to_string())),
        Err(WebhookError::NotFound) => None,
        Err(error) => return Err(failure::of_webhook(error)),
    };
    let is_running = replay.state == ReplayState::Running;
    let content = ShowPage {
        webhook: receiver,
        list: view.url("/replays"),
        what: what(replay.selection.status),
        state: badge(&replay.state),
        is_running,
        ended: replay.state.ended_at().map(|at| view.moment(at)),
        since: view.moment(replay.selection.since),
        until: view.moment(replay.selection.until),
        done: replay.succeeded + replay.failed + replay.cancelled,
        cancel: (is_running && view.allows(&scopes::WEBHOOKS_WRITE))
            .then(|| view.once(&format!("{path}/replays/{}/cancel", replay.id))),
        replay,
    };
    view.page("Replay", &content)
}

pub(crate) async fn cancel(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathIds(webhook, replay): PathIds<WebhookId, ReplayId>,
) -> Result<Response, Problem> {
    find(&services, &caller.access, webhook, replay).await?;
    services.replays.cancel(&caller.access, replay, ids).await.map_err(failed)?;
    let notice = Notice::new("The replay was cancelled. What it had queued already is still sent.");
    Ok(view.redirect_with(&format!("/webhooks/{webhook}/replays/{replay}"), &notice))
}

/// Returns a replay of this webhook that the caller sees.
async fn find(
    services: &Services,
    access: &Access,
    webhook: WebhookId,
    replay: ReplayId,
) -> Result<Replay, Problem> {
    let found = services.replays.get(access, replay).await.map_err(failed)?;
    match found.selection.webhook_id == webhook {
        true => Ok(found),
        false => Err(failed(ReplayError::NotFound)),
    }
}
