//! A clock that is set while the store is open, and while it is closed.

use std::time::Duration;

use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::{
    Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventRepository, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, Circuit, DeliveryStatus, FailureReason, HealthEffect, Settled, Settlement, Timestamp, WebhookId,
};

use crate::harness::SqliteHarness;

const WAIT: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Sets the clock, and lets the store notice.
async fn set(harness: &SqliteHarness, to: Timestamp) {
    harness.clock.set(to);
    harness.webhook().await;
}

fn settlement(leased: &rdev_webhooks_domain::LeasedDelivery, settled: Settled) -> Settlement {
    Settlement { lease: leased.lease, settled, attempt: None, gone: None, health: HealthEffect::Unavailable }
}

/// Makes an attempt fail, so that the next is due after [`WAIT`].
async fn retrying(harness: &SqliteHarness) -> WebhookId {
    let webhook = harness.webhook().await.id;
    harness.publish(webhook).await;
    let leased = harness.claim(webhook).await;
    let settled = settlement(&leased[0], Settled::RetryAfter(WAIT));
    assert_eq!(harness.store.settle(&[settled]).await.unwrap(), [true]);
    webhook
}

async fn due_in(harness: &SqliteHarness) -> Option<Duration> {
    harness.store.discover(None, 10).await.unwrap().next_due_in
}

#[tokio::test]
async fn setting_the_clock_keeps_a_retrys_wait() {
    for set_to in [|now| now - 40 * DAY, |now| now - HOUR, |now| now + HOUR, |now| now + 40 * DAY] {
        let mut harness = SqliteHarness::new().await;
        let webhook = retrying(&harness).await;
        let now = harness.clock.now();
        set(&harness, set_to(now)).await;
        assert_eq!(due_in(&harness).await, Some(WAIT));
        harness.clock.advance(WAIT / 2);
        set(&harness, now + WAIT / 2).await;
        assert_eq!(due_in(&harness).await, Some(WAIT / 2));
        // While the store is closed, a step back can be distinguished from elapsed time, and a step ahead
        // cannot.
        harness.clock.set(now - DAY);
        harness.reopen().await;
        assert!(due_in(&harness).await.is_some_and(|wait| wait <= WAIT));
        harness.clock.advance(WAIT);
        assert_eq!(harness.claim(webhook).await.len(), 1);
    }
}

#[tokio::test]
async fn setting_the_clock_keeps_deliveries_due_and_in_flight() {
    for set_to in [|now| now - DAY, |now| now + DAY] {
        let harness = SqliteHarness::new().await;
        let (sending, waiting) = (harness.webhook().await.id, harness.webhook().await.id);
        harness.publish(sending).await;
        let leased = harness.claim(sending).await;
        assert_eq!(leased.len(), 1);
        // The delivery published for the other webhook still waits.
        set(&harness, set_to(harness.clock.now())).await;
        let due = harness.store.discover(None, 10).await.unwrap().due;
        assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [waiting]);
        assert_eq!(harness.claim(sending).await.len(), 0, "the lease has ended");
        let settled = settlement(&leased[0], Settled::Succeeded);
        assert_eq!(harness.store.settle(&[settled]).await.unwrap(), [true]);
        assert_eq!(harness.claim(waiting).await.len(), 1);
    }
}

#[tokio::test]
async fn setting_the_clock_keeps_a_circuits_wait() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await.id;
    for _ in 0..2 {
        for _ in 0..50 {
            harness.publish(webhook).await;
        }
        harness.clock.advance(HOUR);
        let claim = rdev_webhooks_domain::Claim {
            shares: vec![rdev_webhooks_domain::ClaimShare {
                webhook,
                take: 50,
                lease_for: WAIT,
                is_limited: true,
            }],
            ..harness.claim_of(webhook)
        };
        let leased = harness.store.claim(&claim).await.unwrap();
        let failed: Vec<_> = leased
            .iter()
            .map(|one| settlement(one, Settled::Failed(FailureReason::AttemptsExhausted)))
            .collect();
        harness.store.settle(&failed).await.unwrap();
    }
    let open = async || {
        let health = harness.store.health(&[webhook]).await.unwrap()[0];
        match health.circuit(harness.clock.now()) {
            Circuit::Open { until } => until.since(harness.clock.now()),
            other => panic!("{other:?}"),
        }
    };
    let before = open().await;
    for set_to in [|now| now - DAY, |now| now + 40 * DAY] {
        set(&harness, set_to(harness.clock.now())).await;
        assert_eq!(open().await, before);
    }
}

#[tokio::test]
async fn a_step_of_the_clock_removes_nothing() {
    let mut harness = SqliteHarness::new().await;
    let webhook = retrying(&harness).await;
    let now = harness.clock.now();
    let is_there = async |harness: &SqliteHarness| {
        harness.store.prune(30 * DAY).await.unwrap();
        let found =
            WebhookRepository::get(&*harness.store, Access::everything(), webhook).await.unwrap().is_some();
        let filter = rdev_webhooks_domain::EventFilter::default();
        let page = rdev_webhooks_domain::PageRequest { limit: 10, before: None };
        found
            && !EventRepository::list(&*harness.store, Access::everything(), &filter, page)
                .await
                .unwrap()
                .items
                .is_empty()
    };
    harness.store.prune(30 * DAY).await.unwrap();
    harness.store.close().await.unwrap();
    harness.clock.set(now + 31 * DAY);
    harness.store = std::sync::Arc::new(harness.open_again(crate::harness::key(1).into()).await.unwrap());
    // Every event with a queued delivery is kept.
    let leased = harness.claim(webhook).await;
    harness.store.settle(&[settlement(&leased[0], Settled::Succeeded)]).await.unwrap();
    assert!(is_there(&harness).await, "a start with a clock that is ahead");
    harness.clock.set(now + 400 * DAY);
    assert!(is_there(&harness).await, "a step while the store is open");
    harness.clock.advance(DAY - HOUR);
    assert!(is_there(&harness).await, "the clock has been ahead for less than a day");
    harness.clock.advance(HOUR);
    assert!(!is_there(&harness).await, "a clock that stays ahead is believed");
}

#[tokio::test]
async fn setting_the_clock_back_hides_no_change_from_a_watcher() {
    let mut harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await.id;
    let now = harness.clock.now();
    set(&harness, now + HOUR).await;
    let seen = harness.store.changed(ChangePoint::before(now), 10).await.unwrap().complete_until;
    assert_eq!(harness.store.set_back_at().await.unwrap(), None);
    let id = harness.publish(webhook).await;
    let leased = harness.claim(webhook).await;
    harness.clock.advance(WAIT);
    harness.store.settle(&[settlement(&leased[0], Settled::Succeeded)]).await.unwrap();
    let record = DeliveryHistory::get(&*harness.store, Access::everything(), id).await.unwrap().unwrap();
    assert_eq!(record.delivery.state.status(), DeliveryStatus::Succeeded);

    set(&harness, now + WAIT).await;
    for _ in 0..2 {
        let set_back_at = harness.store.set_back_at().await.unwrap().unwrap();
        assert!(set_back_at < seen && set_back_at == now + WAIT);
        let changes = harness.store.changed(ChangePoint::before(set_back_at), 10).await.unwrap();
        assert_eq!(changes.points.iter().map(|point| point.delivery).collect::<Vec<_>>(), [id]);
        assert!(changes.points[0].at <= harness.clock.now());
        harness.reopen().await;
    }
}
