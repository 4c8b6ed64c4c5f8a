//! Sending a test event to a webhook, with its result on the same page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, OperationIds, Problem, StatusCode};
use rdev_pages::{Form, FormFaults, Input, PageQuery, View};
use rdev_webhooks_app::{EventData, PublishError, Services, WebhookError};
use rdev_webhooks_domain::{DeliveryId, EventType, PageRequest, Webhook};

use super::PathWebhook;
use crate::deliveries::{self, Rows};
use crate::events::{example, type_choice, violation};
use crate::{Shared, failure};

/// The type of the event that needs no data.
const PLAIN: &str = "webhook.test";

#[derive(Template)]
#[template(path = "webhooks/test.html")]
struct TestPage {
    path: String,
    action: String,
    webhook: Webhook,
    chosen: String,
    choice: Input,
    data: Option<Input>,
    is_wrong: bool,
    result: Option<TestResult>,
}

/// The delivery of the test.
struct TestResult {
    path: String,
    badge: rdev_pages::Badge,
    answer: String,
    sentence: String,
    stream: String,
}

pub(crate) async fn show_test(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathWebhook(webhook): PathWebhook,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let result = match query.text("delivery").parse() {
        Ok(delivery) => result(&services, &caller, &view, delivery).await?,
        Err(_) => None,
    };
    let chosen = query.given("type").unwrap_or(PLAIN);
    let data = query.given("data").map(str::to_owned).unwrap_or_else(|| example(&services, chosen));
    let page = page(&services, &view, webhook, (chosen, &data), &FormFaults::default(), result);
    view.page("Test webhook", &page)
}

pub(crate) async fn send_test(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathWebhook(webhook): PathWebhook,
    form: Form,
) -> Result<Response, Problem> {
    let (chosen, mut faults) = (form.given("type").unwrap_or(PLAIN), FormFaults::default());
    let event = match chosen {
        PLAIN => None,
        _ => {
            let event_type: Option<EventType> = faults.check("type", chosen.parse());
            let data: Option<EventData> = faults.check("data", form.text("data").parse());
            event_type.zip(data)
        }
    };
    if faults.is_empty() {
        match services.webhooks.test_with(&caller.access, webhook.id, event.as_ref(), ids).await {
            Ok(delivery) => {
                let query = Form::default().address(
                    &format!("/webhooks/{}/test", webhook.id),
                    &[("delivery", Some(&delivery.id.to_string())), ("type", Some(chosen))],
                );
                return Ok(view.redirect(&query));
            }
            Err(WebhookError::OtherProject) => {
                faults.at("data", "must name one of your projects as `project`");
            }
            Err(WebhookError::Publish(PublishError::Invalid(found))) => {
                found.iter().for_each(|fault| faults.at("data", violation(&fault.violation)));
            }
            Err(error) => return Err(failure::of_webhook(error)),
        }
    }
    let page = page(&services, &view, webhook, (chosen, form.text("data")), &faults, None);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Test webhook", &page)
}

fn page(
    services: &Services,
    view: &View,
    webhook: Webhook,
    (chosen, data): (&str, &str),
    faults: &FormFaults,
    result: Option<TestResult>,
) -> TestPage {
    let area = Input::area("data", "Data", 10).value(data).fault(faults.of("data"));
    let path = format!("/webhooks/{}", webhook.id);
    TestPage {
        action: view.once(&format!("{path}/test")),
        path: view.url(&path),
        webhook,
        chosen: chosen.to_owned(),
        choice: type_choice(services, chosen, Some((PLAIN, "webhook.test: a plain test")))
            .fault(faults.of("type")),
        data: (chosen != PLAIN).then(|| area.help("An object, delivered byte for byte.")),
        is_wrong: !faults.is_empty(),
        result,
    }
}

async fn result(
    services: &Services,
    caller: &Caller,
    view: &View,
    id: DeliveryId,
) -> Result<Option<TestResult>, Problem> {
    let Some(record) = services.history.get(&caller.access, id).await? else { return Ok(None) };
    let delivery = record.delivery;
    let rows = Rows::load(services, &caller.access, view, std::slice::from_ref(&delivery)).await?;
    let (badge, answer) = rows.row(&delivery).result();
    let last = services.history.attempts(id, PageRequest { limit: 1, before: None }).await?;
    Ok(Some(TestResult {
        path: view.url(&format!("/deliveries/{id}")),
        badge,
        answer,
        sentence: last.items.first().map(deliveries::sentence).unwrap_or_default(),
        stream: view.url(&format!("/live?webhook={}&event={}", delivery.webhook_id, delivery.event_id)),
    }))
}
