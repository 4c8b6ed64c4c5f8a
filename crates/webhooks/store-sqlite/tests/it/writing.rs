//! The writer and its groups.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, EventRepository, StoreError, Updated, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, DeliveryId, EventId, HealthEffect, LeaseToken, PageRequest, RateLimit, Settled, Settlement,
    Trigger, Webhook,
};
use rdev_webhooks_testkit::samples;
use sqlx::Connection;
use tokio::task::JoinSet;

use crate::harness::SqliteHarness;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_publishers_all_get_durable_answers() {
    let mut harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let mut publishers = JoinSet::new();
    for _ in 0..300 {
        let store = Arc::clone(&harness.store);
        let events = [harness.event(), harness.event()];
        publishers.spawn(async move { (store.publish(&events).await.unwrap(), events) });
    }
    let mut published: HashSet<EventId> = HashSet::new();
    while let Some(answer) = publishers.join_next().await {
        let (answers, events) = answer.unwrap();
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        assert_eq!(answers.iter().map(|one| one.id).collect::<Vec<_>>(), ids);
        assert!(answers.iter().all(|one| one.deliveries == 1 && !one.duplicate));
        published.extend(ids);
    }
    assert_eq!(published.len(), 600);

    harness.reopen().await;
    let mut claimed = HashSet::new();
    loop {
        let leased = harness.claim(webhook.id).await;
        if leased.is_empty() {
            break;
        }
        claimed.extend(leased.iter().map(|one| one.lease.delivery));
    }
    let deliveries = published.iter().map(|event| DeliveryId::derive(*event, webhook.id)).collect();
    assert_eq!(claimed, deliveries);
}

/// All these jobs wait for the writer together, since the only thread of the runtime runs them first.
#[tokio::test]
async fn a_failed_job_fails_alone_in_its_group() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let first = harness.event();
    harness.store.publish(std::slice::from_ref(&first)).await.unwrap();
    harness.tamper(r#"UPDATE webhooks_deliveries SET "trigger" = 'nonsense'"#).await;
    let (one, other) = (harness.event(), harness.event());
    // A repeated id is a defect of the caller, which the database refuses.
    let given = harness.event();
    let twice = [harness.event(), given.clone(), given];
    let unreadable = DeliveryId::derive(first.id, webhook.id);
    let fresh = samples::webhook(&harness.entropy, webhook.created_at);
    let secrets = samples::secrets(&harness.entropy);
    let asked = Trigger::Manual.into();
    let (before, refused, after, corrupt, created) = tokio::join!(
        harness.store.publish(std::slice::from_ref(&one)),
        harness.store.publish(&twice),
        harness.store.publish(std::slice::from_ref(&other)),
        harness.store.redeliver(Access::everything(), unreadable, &asked),
        harness.store.create(&fresh, &secrets),
    );
    assert_eq!(before.unwrap()[0].id, one.id);
    assert!(matches!(refused, Err(StoreError::Internal(_))), "{refused:?}");
    assert_eq!(after.unwrap()[0].id, other.id);
    assert!(matches!(corrupt, Err(StoreError::Corrupt { .. })), "{corrupt:?}");
    created.unwrap();

    let event = |id| EventRepository::get(&*harness.store, Access::everything(), id);
    assert!(event(twice[0].id).await.unwrap().is_none(), "the failed job leaves nothing");
    assert!(event(one.id).await.unwrap().is_some());
    assert!(event(other.id).await.unwrap().is_some());
    assert!(WebhookRepository::get(&*harness.store, Access::everything(), fresh.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_dropped_call_affects_no_other() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    for _ in 0..50 {
        let event = harness.event();
        let events = std::slice::from_ref(&event);
        tokio::select! {
            biased;
            _ = harness.store.publish(events) => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let id = harness.publish(webhook.id).await;
    assert!(
        harness.store.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap().is_some()
    );
}

#[tokio::test]
async fn a_locked_database_is_unavailable_until_released() {
    let mut harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    harness.reopen_with(|options| options.timeout = Duration::from_millis(600)).await;
    // Takes the lock that a writer needs, as a backup tool could: the store waits and then gives up.
    let mut intruder = harness.intruder().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();
    let event = harness.event();
    let refused = harness.store.publish(std::slice::from_ref(&event)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    sqlx::query("ROLLBACK").execute(&mut intruder).await.unwrap();
    harness.publish(webhook.id).await;
}

#[tokio::test]
async fn every_lease_token_is_kept() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    for token in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
        harness.publish(webhook.id).await;
        let mut claim = harness.claim_of(webhook.id);
        claim.token = LeaseToken::new(token);
        let leased = harness.store.claim(&claim).await.unwrap();
        let lease = leased[0].lease;
        let settlement = Settlement {
            lease,
            settled: Settled::Succeeded,
            attempt: None,
            gone: None,
            health: HealthEffect::None,
        };
        assert_eq!(harness.store.settle(&[settlement]).await.unwrap(), [true], "{token}");
    }
}

#[tokio::test]
async fn any_text_of_an_attempt_is_kept() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    harness.publish(webhook.id).await;
    let lease = harness.claim(webhook.id).await[0].lease;
    let text = "a\0b \u{1} \" \\ \u{1f980} \u{fffd}".to_owned();
    let mut attempt = samples::attempt(1, webhook.created_at, 500);
    attempt.signature = text.clone();
    attempt.outcome.failure.as_mut().unwrap().detail = text.clone();
    attempt.outcome.response.as_mut().unwrap().headers = vec![("x-text".to_owned(), text)];
    attempt.outcome.response.as_mut().unwrap().body = vec![0, 1, 0xff].into();
    let settled = Settled::Succeeded;
    let settlement =
        Settlement { lease, settled, attempt: Some(attempt.clone()), gone: None, health: HealthEffect::None };
    harness.store.settle(&[settlement]).await.unwrap();
    let attempts = harness.store.attempts(lease.delivery, PageRequest { limit: 1, before: None }).await;
    assert_eq!(attempts.unwrap().items, [attempt]);
}

#[tokio::test]
async fn an_unrelated_change_rewrites_no_subscription() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    let mut intruder = harness.intruder().await;
    sqlx::raw_sql(
        "CREATE TRIGGER untouched BEFORE DELETE ON webhooks_subscriptions BEGIN SELECT raise(ABORT, 'deleted'); END;
             CREATE TRIGGER unchanged BEFORE INSERT ON webhooks_subscriptions BEGIN SELECT raise(ABORT, 'added'); END",
    )
    .execute(&mut intruder)
    .await
    .unwrap();
    intruder.close().await.unwrap();
    let described = samples::with_settings(Webhook { version: 2, ..webhook.clone() }, |settings| {
        settings.description = Some("new".to_owned());
    });
    assert_eq!(harness.store.update(&described).await.unwrap(), Updated::Applied);
    let elsewhere = samples::with_settings(Webhook { version: 3, ..described }, |settings| {
        settings.projects = samples::projects(["a"]);
    });
    assert!(harness.store.update(&elsewhere).await.is_err(), "the triggers fire");
}

#[tokio::test]
async fn the_spent_rate_of_a_webhook_is_kept_while_it_has_a_rate_limit() {
    let harness = SqliteHarness::new().await;
    let mut webhook = harness.webhook().await;
    for (rate_limit, rows) in [(RateLimit::per_second(5.0), 1), (None, 0)] {
        webhook.version += 1;
        webhook.settings.rate_limit = rate_limit;
        assert_eq!(harness.store.update(&webhook).await.unwrap(), Updated::Applied);
        harness.publish(webhook.id).await;
        assert_eq!(harness.claim(webhook.id).await.len(), 1);
        let mut conn = harness.intruder().await;
        let count = sqlx::query_scalar("SELECT count(*) FROM webhooks_shared_limits");
        assert_eq!(count.fetch_one(&mut conn).await.ok(), Some(rows));
    }
}
