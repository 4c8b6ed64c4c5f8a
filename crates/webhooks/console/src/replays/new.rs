//! A new replay: first the preview of what it would send, then the start.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::Ids;
use rdev_http::{Caller, OperationIds, Problem};
use rdev_pages::{Form, FormFaults, Input, Moment, Notice, PageQuery, View, span};
use rdev_webhooks_app::{NewReplay, ReplayError};
use rdev_webhooks_domain::{ReplayStatus, Timestamp, Webhook, WebhookState};

use super::{failed, what};
use crate::Shared;
use crate::webhooks::PathWebhook;

#[derive(Template)]
#[template(path = "replays/new.html")]
struct NewPage {
    path: String,
    action: String,
    webhook: Webhook,
    inputs: [Input; 3],
    is_disabled: bool,
    preview: Option<Preview>,
}

/// What a replay would take.
struct Preview {
    what: &'static str,
    count: u64,
    is_exact: bool,
    since: Moment,
    until: Moment,
    status: &'static str,
}

pub(crate) async fn new(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let mut preview = None;
    if let Some(new) = read(&query, &webhook, &caller, view.now(), &mut faults) {
        match services.replays.count(new, Ids::fresh()).await {
            Ok((selection, matched)) => {
                preview = Some(Preview {
                    what: what(selection.status),
                    count: matched.deliveries,
                    is_exact: matched.is_exact,
                    since: view.moment(selection.since),
                    until: view.moment(selection.until),
                    status: selection.status.as_str(),
                });
            }
            Err(error @ ReplayError::EmptyRange) => faults.at("until", error),
            Err(error) => return Err(failed(error)),
        }
    }
    let statuses = ReplayStatus::ALL.into_iter().map(|one| (one.as_str(), what(one)));
    let line = |name, label| Input::line(name, label).value(query.text(name)).fault(faults.of(name));
    let since = if query.has("since") { query.text("since") } else { "1d" };
    let path = format!("/webhooks/{}", webhook.id);
    let content = NewPage {
        action: view.once(&format!("{path}/replays/new")),
        path: view.url(&path),
        inputs: [
            Input::choice("status", "What to send", statuses)
                .value(query.text("status"))
                .fault(faults.of("status")),
            line("since", "Accepted since")
                .value(since)
                .help("A time such as 2025-01-15T10:30:00Z, or how long ago: 2h, 1d."),
            line("until", "Accepted before").help("Likewise. Empty for now."),
        ],
        is_disabled: webhook.state != WebhookState::Enabled,
        preview,
        webhook,
    };
    view.page("New replay", &content)
}

pub(crate) async fn begin(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathWebhook(webhook): PathWebhook,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let path = format!("/webhooks/{}/replays", webhook.id);
    let Some(new) = read(&form, &webhook, &caller, view.now(), &mut faults) else {
        let names = ["status", "since", "until"].map(|name| (name, Some(form.text(name))));
        return Ok(view.redirect(&Form::default().address(&format!("{path}/new"), &names)));
    };
    let replay = services.replays.begin(&caller.access, new, ids).await.map_err(failed)?;
    Ok(view.redirect_with(&format!("{path}/{}", replay.id), &Notice::new("The replay was started.")))
}

/// Reads what to replay; `None` if nothing or something wrong was given.
fn read(
    form: &Form,
    webhook: &Webhook,
    caller: &Caller,
    now: Timestamp,
    faults: &mut FormFaults,
) -> Option<NewReplay> {
    let since = form.given("since")?;
    let status = ReplayStatus::parse(form.text("status")).ok_or("is none of the choices");
    let (status, since) = (faults.check("status", status), faults.check("since", moment(since, now)));
    let until = match form.given("until") {
        Some(text) => Some(faults.check("until", moment(text, now))?),
        None => None,
    };
    let projects = caller.access.projects.clone();
    Some(NewReplay { webhook: webhook.id, since: since?, until, status: status?, projects })
}

/// Reads a time, or how long ago it was.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = || span::parse(text).map(|ago: Duration| now - ago);
    text.parse().or_else(|error| ago().map_err(|_| format!("{error}, or how long ago, like 2h")))
}
