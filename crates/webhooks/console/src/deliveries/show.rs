//! One delivery: its attempts, the request and the response, and what can be done.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Badge, Form, Icon, Input, Moment, PageQuery, Pager, Tone, View, duration};
use rdev_webhooks_app::Services;
use rdev_webhooks_app::deliver::sent_headers;
use rdev_webhooks_domain::{
    Attempt, CustomHeaders, Delivery, DeliveryRecord, LastAttempt, PageRequest, Webhook, scopes,
};

use super::row::{Row, Rows};
use super::verify::Verdict;
use super::{PathDelivery, curl, hint, raw};
use crate::body::{Body, MAX_SHOWN};
use crate::{Shared, failure, words};

/// The number of attempts that the page shows.
const MAX_ATTEMPTS: u32 = 50;

/// The width of the bar of the longest attempt.
const BAR_WIDTH: f64 = 1_000.0;

/// The content of the page.
#[derive(Template)]
#[template(path = "deliveries/show.html")]
pub(super) struct ShowPage<'a> {
    view: &'a View,
    delivery: Delivery,
    path: String,
    webhook: Option<Webhook>,
    accepted: Moment,
    row: Row,
    attempts: Vec<Step>,
    pager: Pager,
    /// The attempt before which the attempts of the page begin, as the query has it.
    before: String,
    selected: Option<Selected>,
    body: Body,
    verdict: Option<Verdict>,
    verify: [Input; 2],
    /// The address that redelivers, if the caller may.
    redeliver: Option<String>,
    /// The address that cancels, if the caller may.
    cancel: Option<String>,
    stream: String,
}

/// An attempt in the timeline.
struct Step {
    number: u32,
    address: String,
    is_selected: bool,
    badge: Badge,
    answer: String,
    trigger: &'static str,
    started: Moment,
    duration: String,
    phases: Vec<Phase>,
    sentence: String,
}

/// A phase of an attempt as a part of its bar.
struct Phase {
    name: &'static str,
    class: &'static str,
    text: String,
    x: String,
    width: String,
}

/// The attempt whose request and response are shown.
struct Selected {
    number: u32,
    sentence: String,
    hint: Option<&'static str>,
    headers: Vec<(String, String)>,
    curl: Option<String>,
    /// Whether the command reads the body from the file that the page offers.
    reads_file: bool,
    /// When the signature of the command was made.
    signed: Moment,
    is_signed_now: bool,
    /// The address with a signature that is valid now.
    sign: Option<String>,
    response: Option<Answer>,
}

/// A response as the page shows it.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    is_truncated: bool,
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathDelivery(record): PathDelivery,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let content = load(&services, &caller, &view, record, &query, |_, _| None).await?;
    view.page("Delivery", &content)
}

/// Reads what the page shows: the attempt that the query names, or the last one. `verdict` may judge that attempt.
pub(super) async fn load<'a>(
    services: &Services,
    caller: &Caller,
    view: &'a View,
    record: DeliveryRecord,
    query: &Form,
    verdict: impl FnOnce(&DeliveryRecord, Option<&Attempt>) -> Option<Verdict>,
) -> Result<ShowPage<'a>, Problem> {
    let delivery = record.delivery.clone();
    let path = format!("/deliveries/{}", delivery.id);
    let query = query.only(["attempt", "before", "sign"]);
    let wanted: Option<u32> = query.text("attempt").parse().ok();
    let request = page(&query, wanted, delivery.attempts);
    let found = services.history.attempts(delivery.id, request).await?;
    let paged = Form::from_iter(request.before.map(|before| ("before", before.to_string())));
    let rows = Rows::load(services, &caller.access, view, std::slice::from_ref(&delivery)).await?;
    let webhook = rows.webhook(delivery.webhook_id).cloned();
    let selected = match wanted {
        Some(number) => found.items.iter().find(|attempt| attempt.number == number),
        None => found.items.first(),
    };
    let may_write = view.allows(&scopes::WEBHOOKS_WRITE);
    let signed = match selected.filter(|_| may_write && webhook.is_some() && query.text("sign") == "now") {
        Some(attempt) => {
            let signed = services.webhooks.sign_again(&caller.access, &record, attempt).await;
            Some(signed.map_err(failure::of_webhook)?)
        }
        None => None,
    };
    let longest = found.items.iter().map(|attempt| attempt.duration).max().unwrap_or_default();
    let address = |number: u32, sign: Option<&str>| {
        let changes = [("attempt", Some(number.to_string())), ("sign", sign.map(str::to_owned))];
        view.url(&query.address(&path, &changes.each_ref().map(|(name, text)| (*name, text.as_deref()))))
    };
    let steps = found.items.iter().map(|attempt| Step {
        number: attempt.number,
        address: format!("{}#attempt", address(attempt.number, None)),
        is_selected: selected.is_some_and(|selected| selected.number == attempt.number),
        badge: match attempt.outcome.is_success() {
            true => Badge { tone: Tone::Good, icon: Icon::Ok, word: "Accepted" },
            false => Badge { tone: Tone::Bad, icon: Icon::No, word: "Failed" },
        },
        answer: words::answer(&LastAttempt::new(delivery.id, attempt)),
        trigger: words::trigger(attempt.trigger),
        started: view.moment(attempt.started_at),
        duration: duration(attempt.duration),
        phases: phases(attempt, longest),
        sentence: hint::sentence(attempt),
    });
    let row = rows.row(&delivery);
    Ok(ShowPage {
        view,
        accepted: view.moment(delivery.id.time()),
        attempts: steps.collect(),
        before: query.text("before").to_owned(),
        pager: Pager::new(view, &path, &paged, &found, |attempt| attempt.number),
        selected: selected.map(|attempt| {
            let sign = may_write.then(|| format!("{}#curl-details", address(attempt.number, Some("now"))));
            select(&record, webhook.as_ref(), attempt, view, signed.as_deref(), sign)
        }),
        body: Body::new(&record.request_body()),
        verdict: verdict(&record, selected),
        verify: [
            Input::secret("secret", "Secret or public key of the receiver")
                .required()
                .help("It is not stored."),
            Input::area("body", "Body as it arrived", 3)
                .help("Leave it empty to check the body that was sent."),
        ],
        redeliver: row.can_redeliver.then(|| view.once(&format!("{path}/redeliver"))),
        cancel: (may_write && delivery.state.next_attempt_at().is_some())
            .then(|| view.once(&format!("{path}/cancel"))),
        stream: view.url(&format!("/live?webhook={}&event={}", delivery.webhook_id, delivery.event_id)),
        path: view.url(&path),
        row,
        webhook,
        delivery,
    })
}

/// Returns the attempts to read: those that the query asks for, otherwise those that begin with an attempt that is not
/// among the newest.
fn page(query: &Form, wanted: Option<u32>, attempts: u32) -> PageRequest<u32> {
    let page = query.page(MAX_ATTEMPTS);
    let older = wanted.filter(|number| number.saturating_add(MAX_ATTEMPTS) <= attempts);
    PageRequest { before: page.before.or(older.map(|number| number + 1)), ..page }
}

fn select(
    record: &DeliveryRecord,
    webhook: Option<&Webhook>,
    attempt: &Attempt,
    view: &View,
    signed: Option<&[(String, String)]>,
    sign: Option<String>,
) -> Selected {
    let none = CustomHeaders::default();
    let custom = webhook.map_or(&none, |webhook| &webhook.settings.headers);
    let headers = sent_headers(record, attempt, custom);
    let body = record.request_body();
    let curl = webhook.zip(std::str::from_utf8(&body).ok());
    Selected {
        number: attempt.number,
        sentence: hint::sentence(attempt),
        hint: hint::hint(attempt),
        curl: curl.map(|(webhook, body)| {
            let headers = signed.unwrap_or(&headers);
            let file = raw::request_file(record.delivery.id);
            curl::command(webhook.settings.url.as_str(), headers, body, &file)
        }),
        reads_file: body.len() > MAX_SHOWN,
        headers,
        signed: view.moment(if signed.is_some() { view.now() } else { attempt.started_at }),
        is_signed_now: signed.is_some(),
        sign,
        response: attempt.outcome.response.as_ref().map(|response| Answer {
            status: response.status,
            headers: response.headers.clone(),
            body: Body::new(&response.body),
            is_truncated: response.truncated,
        }),
    }
}

/// Returns the phases of an attempt as parts of a bar; the longest attempt fills it.
fn phases(attempt: &Attempt, longest: Duration) -> Vec<Phase> {
    let known = attempt.phases;
    let parts = [
        ("DNS", "p0", known.dns),
        ("Connect", "p1", known.connect),
        ("TLS", "p2", known.tls),
        ("First byte", "p3", known.first_byte),
    ];
    let sum: Duration = parts.iter().filter_map(|(_, _, part)| *part).sum();
    let rest = attempt.duration.saturating_sub(sum);
    let parts = parts.into_iter().chain([("Rest", "p4", Some(rest))]);
    let scale = BAR_WIDTH / longest.as_secs_f64().max(1e-6);
    let mut x = 0.0;
    let parts = parts.filter_map(|(name, class, part)| Some((name, class, part?)));
    parts
        .filter(|(_, _, part)| !part.is_zero())
        .map(|(name, class, part)| {
            let width = (part.as_secs_f64() * scale).max(2.0);
            let phase = Phase {
                name,
                class,
                text: duration(part),
                x: format!("{x:.1}"),
                width: format!("{width:.1}"),
            };
            x += width;
            phase
        })
        .collect()
}
