//! The state of the database after a process has ended in any way.

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository, WebhookRepository};
use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryStatus, EventFilter, FailureClass, HealthEffect, PageRequest, Settled,
    Settlement,
};
use rdev_webhooks_store_sqlite::SqliteStore;
use rdev_webhooks_testkit::samples;

use crate::harness::{SqliteHarness, key, options};

#[tokio::test]
async fn a_reopened_store_has_everything() {
    let mut harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let event = harness.event();
    harness.store.publish(std::slice::from_ref(&event)).await.unwrap();
    let lease = harness.claim(webhook.id).await[0].lease;
    let attempt = samples::attempt(1, webhook.created_at, 200);
    let settled = Settled::Succeeded;
    let settlement =
        Settlement { lease, settled, attempt: Some(attempt.clone()), gone: None, health: HealthEffect::None };
    harness.store.settle(&[settlement]).await.unwrap();
    let all = PageRequest { limit: 10, before: None };
    let events = EventRepository::list(&*harness.store, Access::everything(), &EventFilter::default(), all)
        .await
        .unwrap();
    assert_eq!(events.items.len(), 1);
    let filter = DeliveryFilter::default();
    let all_deliveries = PageRequest { limit: 10, before: None };
    let deliveries =
        DeliveryHistory::list(&*harness.store, Access::everything(), &filter, all_deliveries).await.unwrap();
    assert_eq!(deliveries.items[0].state.status(), DeliveryStatus::Succeeded);

    harness.reopen().await;
    assert_eq!(
        WebhookRepository::get(&*harness.store, Access::everything(), webhook.id).await.unwrap(),
        Some(webhook)
    );
    let again = EventRepository::list(&*harness.store, Access::everything(), &EventFilter::default(), all)
        .await
        .unwrap();
    assert_eq!(again, events);
    let again =
        DeliveryHistory::list(&*harness.store, Access::everything(), &filter, all_deliveries).await.unwrap();
    assert_eq!(again, deliveries);
    let attempts = harness.store.attempts(lease.delivery, PageRequest { limit: 10, before: None }).await;
    assert_eq!(attempts.unwrap().items, [attempt]);
}

#[tokio::test]
async fn leases_of_a_dead_process_are_taken_over_at_once() {
    let mut harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let id = harness.publish(webhook.id).await;
    assert_eq!(harness.claim(webhook.id).await.len(), 1);
    assert!(harness.claim(webhook.id).await.is_empty());

    harness.reopen().await;
    let discovery = harness.store.discover(None, 10).await.unwrap();
    assert_eq!(discovery.due.len(), 1);
    let leased = harness.claim(webhook.id).await;
    assert_eq!((leased[0].attempt, leased[0].automatic_attempts, leased[0].abandoned_count), (2, 1, 1));
    let attempts = harness.store.attempts(id, PageRequest { limit: 10, before: None }).await.unwrap();
    let failure = attempts.items[0].outcome.failure.as_ref().unwrap();
    assert_eq!((attempts.items.len(), failure.class), (1, FailureClass::Abandoned));
}

#[tokio::test]
async fn a_copy_of_the_files_holds_every_answered_write() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let copy = tempfile::tempdir().unwrap();
    for round in 1..=5 {
        harness.publish(webhook.id).await;
        // The files as a process that is killed here leaves them: the log is not folded in.
        let into = copy.path().join(round.to_string());
        std::fs::create_dir(&into).unwrap();
        for ending in ["db", "db-wal"] {
            let file = harness.path().with_extension(ending);
            std::fs::copy(&file, into.join(file.file_name().unwrap())).unwrap();
        }
        let options = options(into.join("rdev.db"), key(1).into(), &harness.clock);
        let left = SqliteStore::open(options).await.unwrap();
        let claimed = left.claim(&harness.claim_of(webhook.id)).await.unwrap();
        assert_eq!(claimed.len(), round);
    }
}
