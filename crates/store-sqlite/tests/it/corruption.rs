//! Rows that no store of ours has written.

use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, EventRepository, StoreError, WebhookRepository,
};
use rdev_webhooks_domain::{DeliveryFilter, EventFilter, HealthEffect, PageRequest, Settled, Settlement};
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
async fn a_webhook_that_cannot_be_read_says_where() {
    let harness = SqliteHarness::new().await;
    let id = harness.webhook().await.id;
    for (statement, column) in [
        ("UPDATE webhooks SET disabled_reason = 'boredom', disabled_since = 0", "disabled_reason"),
        ("UPDATE webhooks SET headers = x'00'", "headers"),
        ("UPDATE webhooks SET projects = '[\" \"]'", "projects"),
        ("UPDATE webhooks SET events = '[command.*]'", "events"),
        ("UPDATE webhooks SET url = 'ftp://example.com'", "url"),
    ] {
        harness.tamper(statement).await;
        let got = WebhookRepository::get(&*harness.store, id).await;
        assert_corrupt(got, ("webhooks", column), &id.to_string());
    }
}

#[tokio::test]
async fn a_secret_copied_from_another_webhook_does_not_open_and_holds_up_nobody_else() {
    let harness = SqliteHarness::new().await;
    let broken = harness.webhook().await;
    let whole = harness.webhook().await;
    harness.publish(whole.id).await;
    let (first, last) = (broken.id.min(whole.id), broken.id.max(whole.id));
    harness
        .tamper(
            "UPDATE webhooks SET secret = (SELECT secret FROM webhooks ORDER BY id DESC LIMIT 1)
             WHERE id = (SELECT min(id) FROM webhooks)",
        )
        .await;
    let alone = harness.store.claim(&harness.claim_of(first)).await;
    assert_corrupt(alone, ("webhooks", "secret"), &first.to_string());

    let mut both = harness.claim_of(first);
    both.shares.extend(harness.claim_of(last).shares);
    let leased = harness.store.claim(&both).await.unwrap();
    let claimed: Vec<_> = leased.iter().map(|one| one.target.webhook_id).collect();
    assert_eq!(claimed, [last]);
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_says_where() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let id = harness.publish(webhook.id).await;
    let all = PageRequest { limit: 10, before: None };
    for (statement, column) in [
        ("UPDATE deliveries SET \"trigger\" = 'boredom'", "trigger"),
        ("UPDATE deliveries SET attempts = -1", "attempts"),
        (
            "UPDATE deliveries SET status = 'lost', finished_at = 0, claimable_at = NULL, attempts = 0",
            "status",
        ),
        ("UPDATE deliveries SET status = 'failed', reason = 'boredom'", "reason"),
        ("UPDATE deliveries SET status = 'failed', reason = NULL", "reason"),
    ] {
        harness.tamper(statement).await;
        let place = ("deliveries", column);
        assert_corrupt(DeliveryHistory::get(&*harness.store, id).await, place, &id.to_string());
        let listed = DeliveryHistory::list(&*harness.store, &DeliveryFilter::default(), all).await;
        assert_corrupt(listed, place, &id.to_string());
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_says_where() {
    let harness = SqliteHarness::new().await;
    let event = harness.event();
    harness.store.publish(std::slice::from_ref(&event)).await.unwrap();
    harness.tamper("UPDATE events SET event_type = 'not a type'").await;
    let got = EventRepository::get(&*harness.store, event.id).await;
    assert_corrupt(got, ("events", "event_type"), &event.id.to_string());
    harness.tamper("UPDATE events SET event_type = 'command.completed', id = x'0102'").await;
    let all = PageRequest { limit: 10, before: None };
    let listed = EventRepository::list(&*harness.store, &EventFilter::default(), all).await;
    assert_corrupt(listed, ("events", "id"), "[01, 02]");
}

#[tokio::test]
async fn an_attempt_that_cannot_be_read_says_where() {
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
    harness.tamper("UPDATE attempts SET response_headers = 'x-token: sesame'").await;
    let attempts = harness.store.attempts(lease.delivery, PageRequest { limit: 1, before: None }).await;
    let id = rdev_webhooks_domain::AttemptId::derive(lease.delivery, 1);
    assert_corrupt(attempts, ("attempts", "response_headers"), &id.to_string());
}
