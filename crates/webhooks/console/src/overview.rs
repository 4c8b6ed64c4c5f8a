//! The overview: is anything wrong now?

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use futures_util::future::join_all;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Icon, Moment, PageQuery, View, duration};
use rdev_webhooks_domain::statistics::{Counters, Span};
use rdev_webhooks_domain::{Circuit, Health, PageRequest, Webhook, WebhookFilter, WebhookState, scopes};

use crate::chart::{self, Chart, Window, WindowLink};
use crate::webhooks::of_statistics;
use crate::{Shared, failure, words};

/// The number of webhooks whose statistics the page adds up.
const MAX_WEBHOOKS: u32 = 50;
/// The number of lengths of time that it offers: a longer one would read too many sums.
const WINDOWS: usize = 3;
/// The number of statistics that are read at the same time.
const CONCURRENT_READS: usize = 4;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    view: &'a View,
    troubled: Vec<Row>,
    well: Vec<Row>,
    windows: Vec<WindowLink>,
    numbers: Vec<(&'static str, String)>,
    course: Option<Chart>,
    has_more: bool,
    may_write: bool,
}

/// A webhook with how it does.
struct Row {
    path: String,
    url: String,
    state: Badge,
    trouble: &'static str,
    since: Option<Moment>,
    succeeded: u64,
    failed: u64,
    rate: String,
    waiting: String,
    median: String,
    severity: u8,
}

pub(crate) async fn overview(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let access = &caller.access;
    let windows = &chart::WINDOWS[..WINDOWS];
    let window = Window::chosen(windows, query.text("window"));
    let page = PageRequest { limit: MAX_WEBHOOKS, before: None };
    let found =
        services.webhooks.list(access, &WebhookFilter::default(), page).await.map_err(failure::of_webhook)?;
    let ids: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
    let (healths, now) = services.webhooks.health(&ids).await.map_err(failure::of_webhook)?;
    let mut rows = Vec::with_capacity(found.items.len());
    let known: Vec<_> = found.items.iter().zip(healths).collect();
    for webhooks in known.chunks(CONCURRENT_READS) {
        let mut reads = Vec::with_capacity(webhooks.len());
        for (webhook, _) in webhooks {
            let not_before = access.projects.as_ref().map(|_| webhook.updated_at);
            reads.push(services.statistics.read(access, webhook.id, window.statistics(), not_before));
        }
        for ((webhook, health), read) in webhooks.iter().zip(join_all(reads).await) {
            let read = read.map_err(of_statistics)?;
            rows.push((row(&view, webhook, health, now, &read), read));
        }
    }
    let mut sums = Counters::default();
    let (mut waiting, mut oldest, mut is_more) = (0_u64, None, false);
    for (_, read) in &rows {
        sums.add(&read.sums);
        waiting += u64::from(read.backlog.count);
        is_more |= read.backlog.has_more;
        oldest = [oldest, read.backlog.oldest].into_iter().flatten().min();
    }
    let rate = sums.success_rate().map_or("–".to_owned(), chart::percent);
    // Each webhook has been read at its own moment.
    let spans = rows.iter().map(|(_, read)| read.span);
    let span = spans.reduce(|one, other| Span {
        since: one.since.min(other.since),
        until: one.until.max(other.until),
        ..one
    });
    let course =
        span.map(|span| Chart::new(&view, window, span, rows.iter().flat_map(|(_, read)| &read.course)));
    let (mut troubled, mut well): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|(row, _)| row).partition(|row| row.severity > 0);
    troubled.sort_by_key(|row| std::cmp::Reverse(row.severity));
    well.sort_by_key(|row| std::cmp::Reverse(row.succeeded));
    let content = Overview {
        view: &view,
        troubled,
        well,
        windows: chart::links(&view, "/overview", windows, window),
        course,
        numbers: vec![
            ("Succeeded", sums.succeeded.to_string()),
            ("Failed", sums.failed.to_string()),
            ("Success rate", rate),
            ("Waiting now", format!("{waiting}{}", if is_more { "+" } else { "" })),
            ("Oldest waiting", oldest.map_or("–".to_owned(), |id| view.moment(id.time()).relative())),
        ],
        has_more: found.has_more,
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
    };
    view.page("Overview", &content)
}

fn row(
    view: &View,
    webhook: &Webhook,
    health: &Health,
    now: rdev_webhooks_domain::Timestamp,
    read: &rdev_webhooks_domain::statistics::Statistics,
) -> Row {
    let (severity, trouble, since) = match (webhook.state, health.circuit(now)) {
        (WebhookState::Disabled { reason, since }, _) => (1, words::disabled(reason), Some(since)),
        (_, Circuit::Open { .. } | Circuit::HalfOpen) => (
            3,
            "Its endpoint does not work; deliveries wait for a probe. Failing since",
            health.failing_since,
        ),
        (_, Circuit::Closed) if health.failing_since.is_some() => {
            (2, "Every attempt has failed since", health.failing_since)
        }
        _ => (0, "", None),
    };
    let more = if read.backlog.has_more { "+" } else { "" };
    Row {
        path: view.url(&format!("/webhooks/{}", webhook.id)),
        url: webhook.settings.url.to_string(),
        state: words::webhook(webhook, health, now),
        trouble,
        since: since.map(|at| view.moment(at)),
        succeeded: read.sums.succeeded,
        failed: read.sums.failed,
        rate: read.sums.success_rate().map_or("–".to_owned(), chart::percent),
        waiting: format!("{}{more}", read.backlog.count),
        median: read.sums.latency.quantile(0.5).map_or("–".to_owned(), duration),
        severity,
    }
}
