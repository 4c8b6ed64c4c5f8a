//! The replays of a webhook.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Moment, PageQuery, View};
use rdev_webhooks_domain::{PageRequest, ReplayId, Webhook, scopes};

use super::{badge, failed, what};
use crate::{Shared, webhooks};

/// The number of replays of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "replays/list.html")]
struct ListPage {
    path: String,
    webhook: Webhook,
    rows: Vec<Row>,
    older: Option<String>,
    may_write: bool,
}

struct Row {
    path: String,
    what: &'static str,
    since: Moment,
    until: Moment,
    state: Badge,
    matched: u64,
    succeeded: u64,
    failed: u64,
    begun: Moment,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    Path(id): Path<String>,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let webhook = webhooks::find(&services, &caller.access, &id).await?;
    let before: Option<ReplayId> = query.given("before").and_then(|id| id.parse().ok());
    let page = PageRequest { limit: LIMIT, before };
    let found = services.replays.list(&caller.access, webhook.id, page).await.map_err(failed)?;
    let path = format!("/webhooks/{}", webhook.id);
    let older = found
        .items
        .last()
        .filter(|_| found.has_more)
        .map(|last| format!("{path}/replays?before={}", last.id));
    let rows = found.items.iter().map(|replay| Row {
        path: view.url(&format!("{path}/replays/{}", replay.id)),
        what: what(replay.selection.status),
        since: view.moment(replay.selection.since),
        until: view.moment(replay.selection.until),
        state: badge(&replay.state),
        matched: replay.matched.deliveries,
        succeeded: replay.succeeded,
        failed: replay.failed,
        begun: view.moment(replay.id.time()),
    });
    let content = ListPage {
        path: view.url(&path),
        rows: rows.collect(),
        older: older.map(|older| view.url(&older)),
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
        webhook,
    };
    view.page("Replays", &content)
}
