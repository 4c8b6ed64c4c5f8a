//! One webhook: how it does, its settings, and its newest deliveries.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem, ProblemCode};
use rdev_pages::{Badge, Moment, PageQuery, View, duration, span};
use rdev_webhooks_app::{Services, StatisticsError};
use rdev_webhooks_domain::statistics::Statistics;
use rdev_webhooks_domain::{
    Circuit, DeliveryFilter, DeliveryStatus, Health, PageRequest, Timestamp, Webhook, WebhookState, scopes,
};

use super::PathWebhook;
use crate::chart::{self, Chart, WINDOWS, Window, WindowLink};
use crate::deliveries::{self, Row, Rows};
use crate::{Shared, failure, words};

/// The number of newest deliveries.
const NEWEST: u32 = 10;

#[derive(Template)]
#[template(path = "webhooks/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    path: String,
    webhook: Webhook,
    state: Badge,
    /// Why nothing or little arrives, in sentences.
    trouble: Vec<String>,
    is_disabled: bool,
    disabled_since: Option<Moment>,
    last_failure: Option<LastFailure>,
    windows: Vec<WindowLink>,
    course: Chart,
    numbers: Vec<(&'static str, String)>,
    classes: Vec<(&'static str, u64)>,
    facts: Vec<(&'static str, String)>,
    created: Moment,
    updated: Moment,
    rows: Vec<Row>,
    stream: String,
    may_write: bool,
}

/// The last failed delivery in a sentence.
struct LastFailure {
    path: String,
    sentence: String,
    at: Moment,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let access = &caller.access;
    let (healths, now) = services.webhooks.health(&[webhook.id]).await.map_err(failure::of_webhook)?;
    let health = healths.first().copied().unwrap_or_default();
    let window = Window::chosen(&WINDOWS, query.text("window"));
    // Before its last change the webhook may have received events of projects that the caller may not see.
    let not_before = access.projects.as_ref().map(|_| webhook.updated_at);
    let statistics = services
        .statistics
        .read(access, webhook.id, window.statistics(), not_before)
        .await
        .map_err(of_statistics)?;
    let filter = DeliveryFilter { webhook: Some(webhook.id), ..DeliveryFilter::default() };
    let newest = services.history.list(access, &filter, PageRequest { limit: NEWEST, before: None }).await?;
    let rows = Rows::load(&services, access, &view, &newest.items).await?;
    let last_failure = match health.failing_since {
        Some(_) => last_failure(&services, &caller, &view, &filter).await?,
        None => None,
    };
    let path = format!("/webhooks/{}", webhook.id);
    let content = ShowPage {
        view: &view,
        path: view.url(&path),
        state: words::webhook(&webhook, &health, now),
        trouble: trouble(&view, &webhook, &health, now),
        is_disabled: webhook.state != WebhookState::Enabled,
        disabled_since: match webhook.state {
            WebhookState::Disabled { since, .. } => Some(view.moment(since)),
            WebhookState::Enabled => None,
        },
        last_failure,
        windows: chart::links(&view, &path, &WINDOWS, window),
        course: Chart::new(&view, window, statistics.span, &statistics.course),
        numbers: numbers(&view, &statistics),
        classes: statistics
            .sums
            .attempts
            .failed()
            .filter(|(_, count)| *count > 0)
            .map(|(class, count)| (words::class(class), count))
            .collect(),
        facts: facts(&view, &webhook),
        created: view.moment(webhook.created_at),
        updated: view.moment(webhook.updated_at),
        rows: newest.items.iter().map(|delivery| rows.row(delivery)).collect(),
        stream: view.url(&format!("/live?webhook={}", webhook.id)),
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
        webhook,
    };
    view.page("Webhook", &content)
}

/// Returns the problem of statistics that cannot be read.
pub(crate) fn of_statistics(error: StatisticsError) -> Problem {
    match error {
        StatisticsError::WindowTooLong(_) => Problem::new(
            ProblemCode::VALIDATION_FAILED,
            "Statistics are not kept for that long. Choose a shorter time.",
        ),
        StatisticsError::Store(error) => error.into(),
        other => Problem::internal().caused_by(other),
    }
}

fn trouble(view: &View, webhook: &Webhook, health: &Health, now: Timestamp) -> Vec<String> {
    let mut sentences = Vec::new();
    if let WebhookState::Disabled { reason, .. } = webhook.state {
        sentences.push(words::disabled(reason).to_owned());
    }
    let moment = |at| view.moment(at);
    match health.circuit(now) {
        Circuit::Open { until } => sentences.push(format!(
            "After {} failures in a row its deliveries wait without using up attempts. The next probe is {}.",
            health.consecutive_failures,
            moment(until).relative()
        )),
        Circuit::HalfOpen => {
            sentences.push("One delivery probes whether the endpoint works again.".to_owned());
        }
        Circuit::Closed => {}
    }
    if let Some(since) = health.failing_since {
        sentences.push(format!("Every attempt has failed since {}.", moment(since).absolute()));
    }
    sentences
}

async fn last_failure(
    services: &Services,
    caller: &Caller,
    view: &View,
    filter: &DeliveryFilter,
) -> Result<Option<LastFailure>, Problem> {
    let mut newest: Option<LastFailure> = None;
    for status in [DeliveryStatus::Retrying, DeliveryStatus::Failed] {
        let filter = DeliveryFilter { status: Some(status), ..filter.clone() };
        let found =
            services.history.list(&caller.access, &filter, PageRequest { limit: 1, before: None }).await?;
        let Some(delivery) = found.items.first() else { continue };
        let attempts = services.history.attempts(delivery.id, PageRequest { limit: 1, before: None }).await?;
        let Some(attempt) = attempts.items.first().filter(|attempt| !attempt.outcome.is_success()) else {
            continue;
        };
        if newest.as_ref().is_none_or(|newest| newest.at.at < attempt.started_at) {
            newest = Some(LastFailure {
                path: view.url(&format!("/deliveries/{}", delivery.id)),
                sentence: deliveries::sentence(attempt),
                at: view.moment(attempt.started_at),
            });
        }
    }
    Ok(newest)
}

fn numbers(view: &View, statistics: &Statistics) -> Vec<(&'static str, String)> {
    let Statistics { sums, backlog, .. } = statistics;
    let rate = sums.success_rate().map_or("–".to_owned(), chart::percent);
    let latency = |part| sums.latency.quantile(part).map_or("–".to_owned(), duration);
    let more = if backlog.has_more { "+" } else { "" };
    let oldest = backlog.oldest.map_or("–".to_owned(), |id| view.moment(id.time()).relative());
    vec![
        ("Succeeded", sums.succeeded.to_string()),
        ("Failed", sums.failed.to_string()),
        ("Success rate", rate),
        ("Retries", sums.retries.to_string()),
        ("Median", latency(0.5)),
        ("95 %", latency(0.95)),
        ("99 %", latency(0.99)),
        ("Waiting", format!("{}{more}", backlog.count)),
        ("Oldest waiting", oldest),
    ]
}

fn facts(view: &View, webhook: &Webhook) -> Vec<(&'static str, String)> {
    let settings = &webhook.settings;
    let joined =
        |texts: Vec<String>, none: &str| if texts.is_empty() { none.to_owned() } else { texts.join(", ") };
    let strings = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let waits: Vec<_> = settings.retry.waits().take(6).map(span::text).collect();
    let more = if settings.retry.max_attempts() > 7 { ", …" } else { "" };
    let mut facts = vec![
        ("Events", joined(settings.events.iter().map(ToString::to_string).collect(), "none")),
        ("Projects", joined(settings.projects.iter().map(ToString::to_string).collect(), "all")),
        ("Format", settings.format.as_str().to_owned()),
        (
            "Attempts",
            match waits.is_empty() {
                true => "1".to_owned(),
                false => {
                    format!("{}, after waits of {}{more}", settings.retry.max_attempts(), waits.join(", "))
                }
            },
        ),
        ("Timeout", settings.timeout.map_or("the worker's".to_owned(), span::text)),
        (
            "Rate limit",
            settings
                .rate_limit
                .map_or("none".to_owned(), |rate| format!("{} a second", rate.as_per_second())),
        ),
        (
            "At the same time",
            settings.max_in_flight.map_or("the worker's limit".to_owned(), |most| most.to_string()),
        ),
        ("Signature", settings.signing.as_str().to_owned()),
        ("Headers", joined(strings(settings.headers.names().collect()), "none")),
    ];
    if let Some(previous) = webhook.previous_secret_at(view.now()) {
        facts.push(("Old secret", format!("signs until {}", view.moment(previous.until).absolute())));
    }
    if let Some(key) = &webhook.public_key {
        facts.push(("Public key", key.to_string()));
    }
    if let Some(at) = settings.expires_at {
        facts.push(("Expires", view.moment(at).absolute()));
    }
    let pairs = settings.metadata.as_map().iter().map(|(key, value)| format!("{key}={value}"));
    facts.push(("Metadata", joined(pairs.collect(), "none")));
    facts
}
