//! The list of webhooks.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Form, FormFaults, Input, Moment, PageQuery, Pager, View};
use rdev_webhooks_domain::{Page, Webhook, WebhookFilter, WebhookState, scopes};

use crate::{Shared, failure, words};

/// The number of webhooks of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "webhooks/list.html")]
struct ListPage<'a> {
    view: &'a View,
    filter: [Input; 3],
    is_filtered: bool,
    rows: Vec<Row>,
    pager: Pager,
    may_write: bool,
}

struct Row {
    path: String,
    webhook: Webhook,
    state: Badge,
    created: Moment,
    /// What is wrong, or why it is disabled.
    trouble: Option<(String, Moment)>,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    let page = query.page(LIMIT);
    let found = match faults.is_empty() {
        true => services.webhooks.list(&caller.access, &filter, page).await.map_err(failure::of_webhook)?,
        false => Page::of(Vec::new(), LIMIT),
    };
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let (healths, now) = services.webhooks.health(&ids).await.map_err(failure::of_webhook)?;
    let pager = Pager::new(&view, "/webhooks", &query, &found, |webhook| webhook.id);
    let rows = found.items.into_iter().zip(healths).map(|(webhook, health)| {
        let trouble = match (webhook.state, health.failing_since) {
            (WebhookState::Disabled { reason, since }, _) => {
                Some((words::disabled(reason).to_owned(), view.moment(since)))
            }
            (_, Some(since)) => Some(("Every attempt has failed since".to_owned(), view.moment(since))),
            _ => None,
        };
        Row {
            path: view.url(&format!("/webhooks/{}", webhook.id)),
            state: words::webhook(&webhook, &health, now),
            created: view.moment(webhook.created_at),
            webhook,
            trouble,
        }
    });
    let content = ListPage {
        view: &view,
        filter: inputs(&query, &faults),
        is_filtered: ["event", "project", "state"].iter().any(|name| query.given(name).is_some()),
        rows: rows.collect(),
        pager,
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
    };
    view.page("Webhooks", &content)
}

fn read_filter(query: &Form, faults: &mut FormFaults) -> WebhookFilter {
    let enabled = match query.text("state") {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    };
    WebhookFilter {
        event_type: query.given("event").and_then(|text| faults.check("event", text.parse())),
        project: query.given("project").and_then(|text| faults.check("project", text.parse())),
        enabled,
        ..WebhookFilter::default()
    }
}

fn inputs(query: &Form, faults: &FormFaults) -> [Input; 3] {
    let line = |name, label| Input::line(name, label).value(query.text(name)).fault(faults.of(name));
    let states = [("", "Any"), ("enabled", "Enabled"), ("disabled", "Disabled")];
    [
        line("event", "Subscribes to").search(),
        line("project", "Project"),
        Input::choice("state", "State", states).value(query.text("state")),
    ]
}
