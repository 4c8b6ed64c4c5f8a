//! Rows that no store has written.

use std::time::Duration;

use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, EventRepository, StoreError, Updated, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, DeliveryFilter, EventFilter, EventType, HealthEffect, PageRequest, Settled, Settlement,
    WebhookFilter,
};
use rdev_webhooks_testkit::samples;

use crate::harness::SqliteHarness;

#[track_caller]
fn assert_corrupt<T: std::fmt::Debug>(result: Result<T, StoreError>, place: (&str, &str), row: &str) {
    match result {
        Err(StoreError::Corrupt { table, column, id, .. }) => {
            assert_eq!(((table, column), id.as_str()), (place, row));
        }
        other => panic!("expected {place:?} to be corrupt, but got {other:?}"),
    }
}

#[tokio::test]
async fn an_unreadable_webhook_names_its_column() {
    let harness = SqliteHarness::new().await;
    let id = harness.webhook().await.id;
    for (statement, column) in [
        ("UPDATE webhooks_webhooks SET disabled_reason = 'boredom', disabled_at = 0", "disabled_reason"),
        ("UPDATE webhooks_webhooks SET headers = x'00'", "headers"),
        ("UPDATE webhooks_webhooks SET projects = '[\" \"]'", "projects"),
        ("UPDATE webhooks_webhooks SET events = '[command.*]'", "events"),
        ("UPDATE webhooks_webhooks SET url = 'ftp://example.com'", "url"),
    ] {
        harness.tamper(statement).await;
        let got = WebhookRepository::get(&*harness.store, Access::everything(), id).await;
        assert_corrupt(got, ("webhooks", column), &id.to_string());
    }
}

#[tokio::test]
async fn a_copied_secret_does_not_open_and_delays_no_other_webhook() {
    let harness = SqliteHarness::new().await;
    let broken = harness.webhook().await;
    let whole = harness.webhook().await;
    harness.publish(whole.id).await;
    let (first, last) = (broken.id.min(whole.id), broken.id.max(whole.id));
    harness
        .tamper(
            "UPDATE webhooks_webhooks SET secret = (SELECT secret FROM webhooks_webhooks ORDER BY id DESC LIMIT 1)
             WHERE id = (SELECT min(id) FROM webhooks_webhooks)",
        )
        .await;
    assert!(harness.store.claim(&harness.claim_of(first)).await.unwrap().is_empty());
    let due = harness.store.discover(None, 10).await.unwrap().due;
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [last], "the unreadable webhook is skipped");
    let mut both = harness.claim_of(first);
    both.shares.extend(harness.claim_of(last).shares);
    let leased = harness.store.claim(&both).await.unwrap();
    let claimed: Vec<_> = leased.iter().map(|one| one.target.webhook_id).collect();
    assert_eq!(claimed, [last]);
}

#[tokio::test]
async fn an_unreadable_delivery_names_its_column() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let id = harness.publish(webhook.id).await;
    let all = PageRequest { limit: 10, before: None };
    for (statement, column) in [
        ("UPDATE webhooks_deliveries SET \"trigger\" = 'boredom'", "trigger"),
        ("UPDATE webhooks_deliveries SET attempts = -1", "attempts"),
        (
            "UPDATE webhooks_deliveries SET status = 'lost', finished_at = 0, claimable_at = NULL, attempts = 0",
            "status",
        ),
        ("UPDATE webhooks_deliveries SET status = 'failed', reason = 'boredom'", "reason"),
        ("UPDATE webhooks_deliveries SET status = 'failed', reason = NULL", "reason"),
    ] {
        harness.tamper(statement).await;
        let place = ("deliveries", column);
        assert_corrupt(
            DeliveryHistory::get(&*harness.store, Access::everything(), id).await,
            place,
            &id.to_string(),
        );
        let listed =
            DeliveryHistory::list(&*harness.store, Access::everything(), &DeliveryFilter::default(), all)
                .await
                .unwrap();
        assert_eq!((listed.items.len(), listed.damaged.len()), (0, 1));
        assert_eq!(listed.damaged[0].id, id.to_string());
    }
}

#[tokio::test]
async fn an_unreadable_event_names_its_column() {
    let harness = SqliteHarness::new().await;
    let event = harness.event();
    harness.store.publish(std::slice::from_ref(&event)).await.unwrap();
    harness.tamper("UPDATE webhooks_events SET event_type = 'not a type'").await;
    let got = EventRepository::get(&*harness.store, Access::everything(), event.id).await;
    assert_corrupt(got, ("events", "event_type"), &event.id.to_string());
    harness.tamper("UPDATE webhooks_events SET event_type = 'command.completed', id = x'0102'").await;
    let all = PageRequest { limit: 10, before: None };
    let listed = EventRepository::list(&*harness.store, Access::everything(), &EventFilter::default(), all)
        .await
        .unwrap();
    assert_eq!((listed.items.len(), listed.damaged.len()), (0, 1));
    assert_eq!(listed.damaged[0].id, "[01, 02]");
}

#[tokio::test]
async fn an_unreadable_attempt_names_its_column() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    harness.publish(webhook.id).await;
    let leased = harness.claim(webhook.id).await;
    let lease = leased[0].lease;
    let attempt = samples::attempt(1, webhook.created_at, 200);
    let settled = Settled::Succeeded;
    let settlement =
        Settlement { lease, settled, attempt: Some(attempt), gone: None, health: HealthEffect::None };
    assert_eq!(harness.store.settle(&[settlement]).await.unwrap(), [true]);
    harness.tamper("UPDATE webhooks_attempts SET response_headers = 'x-token: sesame'").await;
    let attempts =
        harness.store.attempts(lease.delivery, PageRequest { limit: 1, before: None }).await.unwrap();
    let id = rdev_webhooks_domain::AttemptId::derive(lease.delivery, 1);
    assert_eq!((attempts.items.len(), attempts.damaged.len()), (0, 1));
    assert_eq!(attempts.damaged[0].id, id.to_string());
    assert!(attempts.damaged[0].cause.starts_with("attempts.response_headers of"), "{:?}", attempts.damaged);
}

#[tokio::test]
async fn an_unreadable_webhook_affects_no_other() {
    let harness = SqliteHarness::new().await;
    let (broken, whole) = (harness.webhook().await.id, harness.webhook().await.id);
    for column in
        ["headers = x'00'", "url = 'x'", "projects = 'x'", "events = 'x'", "retry = 'x'", "signing = 'x'"]
    {
        let statement = format!(
            "UPDATE webhooks_webhooks SET {column} WHERE id = (SELECT min(id) FROM webhooks_webhooks)"
        );
        harness.tamper(Box::leak(statement.into_boxed_str())).await;
        let all = PageRequest { limit: 10, before: None };
        let listed =
            WebhookRepository::list(&*harness.store, Access::everything(), &WebhookFilter::default(), all)
                .await
                .unwrap();
        assert_eq!(
            listed.items.iter().map(|one| one.id).collect::<Vec<_>>(),
            [broken.max(whole)],
            "{column}"
        );
        assert_eq!(
            listed.damaged.iter().map(|one| &one.id).collect::<Vec<_>>(),
            [&broken.min(whole).to_string()]
        );
        let limited = samples::access(samples::projects(["a"]));
        let listed = WebhookRepository::list(&*harness.store, &limited, &WebhookFilter::default(), all).await;
        assert_eq!(listed.unwrap().damaged, []);
        assert!(
            WebhookRepository::get(&*harness.store, Access::everything(), broken.min(whole)).await.is_err()
        );
    }
    harness
        .tamper(
            "INSERT INTO webhooks_endpoint_health (webhook_id, consecutive_failures, failing_since,
               last_failed_at, last_failure_silent, open_count, open_until, is_probing)
             SELECT id, 1, 0, 9000000000000000, 0, 0, NULL, 0 FROM webhooks_webhooks",
        )
        .await;
    let disabled = harness.store.disable_failing(Duration::from_secs(60), 10).await.unwrap();
    assert_eq!(disabled.len(), 2);
    let of_type = EventFilter { event_type: Some(EventType::webhook_disabled()), ..EventFilter::default() };
    let all = PageRequest { limit: 10, before: None };
    let events = EventRepository::list(&*harness.store, Access::everything(), &of_type, all).await.unwrap();
    assert_eq!(events.items.len(), 2);
    let deleted = harness.store.delete(Access::everything(), broken.min(whole), None).await.unwrap();
    assert_eq!(deleted, Updated::Applied);
}

#[tokio::test]
async fn an_unreadable_delivery_is_postponed_and_delays_no_other() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await.id;
    let (broken, whole) = (harness.publish(webhook).await, harness.publish(webhook).await);
    harness
        .tamper(
            "UPDATE webhooks_deliveries SET \"trigger\" = 'boredom', due_at = 0, claimable_at = 0
                 WHERE id = (SELECT min(id) FROM webhooks_deliveries)",
        )
        .await;
    let leased = harness.claim(webhook).await;
    assert_eq!(leased.iter().map(|one| one.lease.delivery).collect::<Vec<_>>(), [broken.max(whole)]);
    assert!(harness.store.discover(None, 10).await.unwrap().due.is_empty());
    let settle = |delivery| {
        let lease = rdev_webhooks_domain::LeaseRef { delivery, ..leased[0].lease };
        let (settled, health) = (Settled::Succeeded, HealthEffect::None);
        Settlement { lease, settled, attempt: None, gone: None, health }
    };
    let settled = [settle(broken.min(whole)), settle(broken.max(whole))];
    assert_eq!(harness.store.settle(&settled).await.unwrap(), [false, true]);
}

#[tokio::test]
async fn an_unreadable_event_type_is_left_out() {
    let harness = SqliteHarness::new().await;
    harness
        .tamper(
            "INSERT INTO webhooks_event_types (name, created_at, updated_at) VALUES ('no name', 0, 0), ('a.b', 0, 0)",
        )
        .await;
    let all = rdev_webhooks_domain::ports::EventTypeRepository::all(&*harness.store).await.unwrap();
    assert_eq!(all.types.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a.b"]);
}
