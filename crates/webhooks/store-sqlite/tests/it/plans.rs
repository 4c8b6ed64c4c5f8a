//! Each filter of a list uses the index that is made for it: without the index, the list fails.

use rdev_webhooks_domain::ports::{DeliveryHistory, EventRepository};
use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryStatus, EventFilter, FailureClass, LastAttemptFilter, PageRequest,
    Trigger, WebhookId,
};
use sqlx::Executor;

use crate::harness::SqliteHarness;

/// Returns whether a page of deliveries can be read.
async fn lists(harness: &SqliteHarness, filter: &DeliveryFilter) -> bool {
    let page = PageRequest { limit: 20, before: None };
    DeliveryHistory::list(&*harness.store, Access::everything(), filter, page).await.is_ok()
}

async fn lists_events(harness: &SqliteHarness, filter: &EventFilter) -> bool {
    let page = PageRequest { limit: 20, before: None };
    EventRepository::list(&*harness.store, Access::everything(), filter, page).await.is_ok()
}

#[tokio::test]
async fn each_filter_of_deliveries_uses_its_index() {
    let none = DeliveryFilter::default;
    let any = LastAttemptFilter::default;
    let code = |webhook: Option<WebhookId>| DeliveryFilter {
        webhook,
        last_attempt: LastAttemptFilter { code: Some(503), ..any() },
        ..none()
    };
    let command = DeliveryFilter { command_id: Some("cmd".parse().unwrap()), ..none() };
    let project = DeliveryFilter { project: Some("a".parse().unwrap()), ..none() };
    let event_type = DeliveryFilter { event_type: Some("a.b".parse().unwrap()), ..none() };
    let both = DeliveryFilter { project: project.project.clone(), ..event_type.clone() };
    let class = LastAttemptFilter { class: Some(FailureClass::Dns), ..any() };
    let trigger = LastAttemptFilter { trigger: Some(Trigger::Replay), ..any() };
    let webhook = SqliteHarness::new().await.webhook().await.id;
    let to = DeliveryFilter { webhook: Some(webhook), ..none() };
    let statuses =
        DeliveryStatus::ALL.iter().map(|status| DeliveryFilter { status: Some(*status), ..none() });
    let statuses_of_webhook =
        DeliveryStatus::ALL.iter().map(|status| DeliveryFilter { status: Some(*status), ..to.clone() });
    for (index, filter) in [
        ("DROP INDEX webhooks_deliveries_by_last_attempt_id", code(None)),
        (
            "DROP INDEX webhooks_deliveries_by_last_attempt_id",
            DeliveryFilter { last_attempt: class, ..none() },
        ),
        (
            "DROP INDEX webhooks_deliveries_by_last_attempt_id",
            DeliveryFilter { last_attempt: trigger, ..none() },
        ),
        ("DROP INDEX webhooks_deliveries_by_webhook_id_last_attempt_id", code(Some(webhook))),
        ("DROP INDEX webhooks_events_by_command_id_id", command.clone()),
        ("DROP INDEX webhooks_events_by_project_event_type_id", project),
        ("DROP INDEX webhooks_events_by_event_type_id", event_type),
        ("DROP INDEX webhooks_events_by_project_event_type_id", both),
        ("DROP INDEX webhooks_deliveries_by_event_id", command),
        ("DROP INDEX webhooks_deliveries_by_webhook_id_listed_status_id", to.clone()),
    ]
    .into_iter()
    .chain(statuses.map(|filter| ("DROP INDEX webhooks_deliveries_by_listed_status_id", filter)))
    .chain(
        statuses_of_webhook
            .map(|filter| ("DROP INDEX webhooks_deliveries_by_webhook_id_listed_status_id", filter)),
    ) {
        let harness = SqliteHarness::new().await;
        let event = harness.webhook().await;
        harness.publish(event.id).await;
        assert!(lists(&harness, &filter).await, "{filter:?}");
        harness.intruder().await.execute(index).await.unwrap();
        assert!(lists(&harness, &none()).await);
        assert!(!lists(&harness, &filter).await, "{index}: {filter:?}");
    }
}

#[tokio::test]
async fn each_filter_of_events_uses_its_index() {
    let none = EventFilter::default;
    for (index, filter) in [
        ("DROP INDEX webhooks_events_by_key_id", EventFilter { key: Some("key".parse().unwrap()), ..none() }),
        (
            "DROP INDEX webhooks_events_by_command_id_id",
            EventFilter { command_id: Some("cmd".parse().unwrap()), ..none() },
        ),
    ] {
        let harness = SqliteHarness::new().await;
        assert!(lists_events(&harness, &filter).await, "{filter:?}");
        harness.intruder().await.execute(index).await.unwrap();
        assert!(lists_events(&harness, &none()).await);
        assert!(!lists_events(&harness, &filter).await, "{index}: {filter:?}");
    }
}
