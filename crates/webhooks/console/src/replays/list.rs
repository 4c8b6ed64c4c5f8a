//! The replays of a webhook, and of all webhooks.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Moment, PageQuery, Pager, View};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, Page, PageRequest, Replay, Webhook, WebhookFilter, WebhookId, scopes};

use super::{badge, failed, what};
use crate::webhooks::PathWebhook;
use crate::{Shared, failure};

/// The number of replays of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "replays/list.html")]
struct ListPage<'a> {
    view: &'a View,
    /// The path of the webhook, and the webhook, whose replays are listed; `None` for all.
    webhook: Option<(String, Webhook)>,
    rows: Vec<Row>,
    pager: Pager,
    may_write: bool,
}

struct Row {
    path: String,
    what: &'static str,
    receiver: String,
    since: Moment,
    until: Moment,
    state: Badge,
    matched: u64,
    succeeded: u64,
    failed: u64,
    begun: Moment,
}

/// The replays of a webhook.
pub(crate) async fn of_webhook(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let found = services.replays.list(&caller.access, Some(webhook.id), query.page(LIMIT)).await;
    let found = found.map_err(failed)?;
    let path = format!("/webhooks/{}", webhook.id);
    let receivers = BTreeMap::from([(webhook.id, webhook.settings.url.to_string())]);
    let content = ListPage {
        view: &view,
        rows: found.items.iter().map(|replay| row(&view, replay, &receivers)).collect(),
        pager: Pager::new(&view, &format!("{path}/replays"), &query, &found, |replay| replay.id),
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
        webhook: Some((view.url(&path), webhook)),
    };
    view.page("Replays", &content)
}

/// The replays of all webhooks.
pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let found = services.replays.list(&caller.access, None, query.page(LIMIT)).await.map_err(failed)?;
    let receivers = receivers(&services, &caller.access, &found).await?;
    let content = ListPage {
        view: &view,
        rows: found.items.iter().map(|replay| row(&view, replay, &receivers)).collect(),
        pager: Pager::new(&view, "/replays", &query, &found, |replay| replay.id),
        may_write: false,
        webhook: None,
    };
    view.page("Replays", &content)
}

/// Returns the URLs of the webhooks of these replays that the caller sees.
async fn receivers(
    services: &Services,
    access: &Access,
    found: &Page<Replay>,
) -> Result<BTreeMap<WebhookId, String>, Problem> {
    let ids: BTreeSet<_> = found.items.iter().map(|replay| replay.selection.webhook_id).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filter = WebhookFilter { ids: Some(ids), ..WebhookFilter::default() };
    let page = PageRequest { limit: LIMIT, before: None };
    let webhooks = services.webhooks.list(access, &filter, page).await.map_err(failure::of_webhook)?;
    let urls = webhooks.items.into_iter().map(|webhook| (webhook.id, webhook.settings.url.to_string()));
    Ok(urls.collect())
}

fn row(view: &View, replay: &Replay, receivers: &BTreeMap<WebhookId, String>) -> Row {
    let webhook = replay.selection.webhook_id;
    Row {
        path: view.url(&format!("/webhooks/{webhook}/replays/{}", replay.id)),
        what: what(replay.selection.status),
        receiver: receivers.get(&webhook).cloned().unwrap_or_else(|| "a deleted webhook".to_owned()),
        since: view.moment(replay.selection.since),
        until: view.moment(replay.selection.until),
        state: badge(&replay.state),
        matched: replay.matched.deliveries,
        succeeded: replay.succeeded,
        failed: replay.failed,
        begun: view.moment(replay.id.time()),
    }
}
