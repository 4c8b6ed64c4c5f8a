//! One replay: its progress, and its end.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rdev_access::Ids;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Moment, Notice, View};
use rdev_webhooks_domain::{Replay, ReplayId, ReplayState, Webhook, scopes};

use super::{badge, failed, what};
use crate::{Shared, webhooks};

#[derive(Template)]
#[template(path = "replays/show.html")]
struct ShowPage {
    path: String,
    webhook: Webhook,
    what: &'static str,
    state: Badge,
    is_running: bool,
    ended: Option<Moment>,
    since: Moment,
    until: Moment,
    replay: Replay,
    done: u64,
    may_cancel: bool,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path((id, replay)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let webhook = webhooks::find(&services, &caller.access, &id).await?;
    let replay = services.replays.get(&caller.access, parse(&replay)?).await.map_err(failed)?;
    let is_running = replay.state == ReplayState::Running;
    let content = ShowPage {
        path: view.url(&format!("/webhooks/{}", webhook.id)),
        what: what(replay.selection.status),
        state: badge(&replay.state),
        is_running,
        ended: replay.state.ended_at().map(|at| view.moment(at)),
        since: view.moment(replay.selection.since),
        until: view.moment(replay.selection.until),
        done: replay.succeeded + replay.failed + replay.cancelled,
        may_cancel: is_running && view.allows(&scopes::WEBHOOKS_WRITE),
        webhook,
        replay,
    };
    view.page("Replay", &content)
}

pub(crate) async fn cancel(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path((id, replay)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let webhook = webhooks::find(&services, &caller.access, &id).await?;
    let replay = parse(&replay)?;
    services.replays.cancel(&caller.access, replay, Ids::fresh()).await.map_err(failed)?;
    let notice = Notice::new("The replay was cancelled. What it had queued already is still sent.");
    Ok(view.redirect_with(&format!("/webhooks/{}/replays/{replay}", webhook.id), &notice))
}

fn parse(id: &str) -> Result<ReplayId, Problem> {
    id.parse().map_err(|error| Problem::not_found(format!("The id {error}.")))
}
