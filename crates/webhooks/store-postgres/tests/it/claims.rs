//! Several stores on one database.

use std::collections::HashSet;
use std::num::NonZeroU32;

use rdev_webhooks_domain::ports::{DeliveryQueue, EventRepository, Redelivery, Updated, WebhookRepository};
use rdev_webhooks_domain::{Access, ClaimShare, HealthEffect, RateLimit, Settled, Settlement, Trigger};
use rdev_webhooks_store_postgres::PostgresStore;
use rdev_webhooks_testkit::samples;
use sqlx::Executor;

use crate::store::{Scene, settlement};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_never_lease_the_same_delivery() {
    const EVENTS: usize = 600;
    let scene = Scene::new().await;
    let other = scene.another().await;
    let webhook = scene.webhook().await;
    scene.publish(EVENTS).await;

    let drain = async |store: &PostgresStore| {
        let mut done = Vec::new();
        loop {
            let leased = store.claim(&scene.claim(webhook.id, 25)).await.unwrap();
            // The other store may hold all the rest, or have locked the rows that this one tried.
            if leased.is_empty()
                && scene.count("SELECT count(*) FROM rdev_webhooks.delivery_queue").await == 0
            {
                return done;
            }
            let settled: Vec<_> = leased.iter().map(|one| settlement(one, Settled::Succeeded)).collect();
            assert!(store.settle(&settled).await.unwrap().iter().all(|applied| *applied));
            done.extend(leased.into_iter().map(|one| one.lease.delivery));
        }
    };
    let (one, two) = tokio::join!(drain(&scene.store), drain(&other));
    assert_eq!(one.len() + two.len(), EVENTS);
    assert_eq!(one.iter().chain(&two).collect::<HashSet<_>>().len(), EVENTS);
    assert_eq!(
        scene.count("SELECT count(*) FROM rdev_webhooks.deliveries WHERE status = 'succeeded'").await,
        600
    );
}

#[tokio::test]
async fn settle_refuses_a_lease_that_another_store_took_over() {
    let scene = Scene::new().await;
    let other = scene.another().await;
    let webhook = scene.webhook().await;
    scene.publish(1).await;
    let slow = scene.store.claim(&scene.claim(webhook.id, 1)).await.unwrap();
    scene
        .execute("UPDATE rdev_webhooks.delivery_queue SET lease_expires_at = now() - interval '1 second'")
        .await;
    let quick = other.claim(&scene.claim(webhook.id, 1)).await.unwrap();
    assert_eq!(scene.store.settle(&[settlement(&slow[0], Settled::Succeeded)]).await.unwrap(), [false]);
    assert_eq!(other.settle(&[settlement(&quick[0], Settled::Succeeded)]).await.unwrap(), [true]);
}

#[tokio::test]
async fn a_mark_hides_a_late_commit_only_briefly() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(2).await;
    // Marks are set, and used by the next claim.
    scene.store.discover(None, 10).await.unwrap();
    scene
        .execute("UPDATE rdev_webhooks.delivery_queue SET due_at = due_at - interval '1 hour' WHERE id IN (SELECT id FROM rdev_webhooks.delivery_queue LIMIT 1)")
        .await;
    let mut found = 0;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while found < 2 {
        assert!(tokio::time::Instant::now() < deadline, "the delivery is never found");
        scene.store.discover(None, 10).await.unwrap();
        found += scene.store.claim(&scene.claim(webhook.id, 10)).await.unwrap().len();
    }
}

#[tokio::test]
async fn a_failed_claim_releases_its_leases() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(2).await;
    let rename = "ALTER TABLE rdev_webhooks.webhooks RENAME previous_secret TO hidden";
    scene.execute(rename).await;
    assert!(scene.store.claim(&scene.claim(webhook.id, 2)).await.is_err());
    scene.execute("ALTER TABLE rdev_webhooks.webhooks RENAME hidden TO previous_secret").await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 2)).await.unwrap();
    let leased: Vec<_> = leased.iter().map(|one| (one.attempt, one.abandoned_count)).collect();
    assert_eq!(leased, [(1, 0), (1, 0)]);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts").await, 0);
}

#[tokio::test]
async fn a_claim_returns_usable_deliveries_if_it_cannot_release_the_others() {
    let scene = Scene::new().await;
    let (good, bad) = (scene.webhook().await, scene.webhook().await);
    scene.publish(1).await;
    scene
        .execute(
            "UPDATE rdev_webhooks.webhooks SET secret = 'no secret' WHERE id = (SELECT max(id::text)::uuid
                 FROM rdev_webhooks.webhooks);
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'not now'; END $$;
             CREATE TRIGGER refuse BEFORE UPDATE ON rdev_webhooks.delivery_queue FOR EACH ROW
                 WHEN (NEW.lease_token IS NULL) EXECUTE FUNCTION refuse()",
        )
        .await;
    let mut claim = scene.claim(good.id, 1);
    claim.shares.extend(scene.claim(bad.id, 1).shares);
    let leased = scene.store.claim(&claim).await.unwrap();
    let leased: Vec<_> = leased.iter().map(|one| one.target.webhook_id).collect();
    assert_eq!(leased, [good.id.min(bad.id)]);
}

#[tokio::test]
async fn publishing_again_after_a_lost_answer_adds_nothing() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let events = [scene.event().await, scene.event().await];
    let first = scene.store.publish(&events).await.unwrap();
    let again = scene.store.publish(&events).await.unwrap();
    assert!(first.iter().all(|one| !one.duplicate) && again.iter().all(|one| one.duplicate));
    assert_eq!(
        again.iter().map(|one| one.id).collect::<Vec<_>>(),
        first.iter().map(|one| one.id).collect::<Vec<_>>()
    );
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.delivery_queue").await, 2);
}

#[tokio::test]
async fn an_expired_key_can_be_used_again() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let keyed = |mut event: rdev_webhooks_domain::NewEvent| {
        event.key = Some("order-1".parse().unwrap());
        event
    };
    let (first, second, third) =
        (keyed(scene.event().await), keyed(scene.event().await), keyed(scene.event().await));
    scene.store.publish(std::slice::from_ref(&first)).await.unwrap();
    let repeat = scene.store.publish(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!((repeat[0].id, repeat[0].duplicate), (first.id, true));
    scene.execute("UPDATE rdev_webhooks.event_keys SET expires_at = now()").await;
    let fresh = scene.store.publish(&[second.clone(), third]).await.unwrap();
    assert_eq!((fresh[0].id, fresh[0].duplicate), (second.id, false));
    assert_eq!((fresh[1].id, fresh[1].duplicate), (second.id, true));
    assert_eq!(scene.store.claim(&scene.claim(webhook.id, 9)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn deleting_a_webhook_cancels_more_deliveries_than_one_statement_can() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    for _ in 0..5 {
        scene.publish(900).await;
    }
    let deleted = scene.store.delete(Access::everything(), webhook.id, None).await.unwrap();
    assert_eq!(deleted, Updated::Applied);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.delivery_queue").await, 0);
    assert_eq!(
        scene.count("SELECT count(*) FROM rdev_webhooks.deliveries WHERE reason = 'webhook_deleted'").await,
        4_500
    );
}

#[tokio::test]
async fn publishing_a_batch_again_after_a_lost_answer_adds_missing_events() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let (known, new) = (scene.event().await, scene.event().await);
    scene.store.publish(std::slice::from_ref(&known)).await.unwrap();
    let answers = scene.store.publish(&[known.clone(), new.clone()]).await.unwrap();
    let answers: Vec<_> = answers.iter().map(|one| (one.id, one.deliveries, one.duplicate)).collect();
    assert_eq!(answers, [(known.id, 1, true), (new.id, 1, false)]);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.delivery_queue").await, 2);
}

#[tokio::test]
async fn a_success_is_recorded_and_redelivered_although_its_attempt_exists() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(2).await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 2)).await.unwrap();
    scene
        .execute(
            "INSERT INTO rdev_webhooks.attempts
                (delivery_id, number, trigger, started_at, duration_ns, signature)
             SELECT id, 1, 'automatic', now(), 0, '' FROM rdev_webhooks.delivery_queue LIMIT 1",
        )
        .await;
    let now = scene.now().await;
    let settled: Vec<_> = leased
        .iter()
        .map(|one| Settlement {
            attempt: Some(samples::attempt(1, now, 200)),
            health: HealthEffect::Succeeded,
            ..settlement(one, Settled::Succeeded)
        })
        .collect();
    assert_eq!(scene.store.settle(&settled).await.unwrap(), [true, true]);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.deliveries").await, 2);
    // Each attempt is stored in its delivery's row, until that is removed.
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts").await, 1);
    for one in &leased {
        let again = scene
            .store
            .redeliver(Access::everything(), one.lease.delivery, &Trigger::Manual.into())
            .await
            .unwrap();
        assert!(matches!(again, Some(Redelivery::Queued(_))), "{again:?}");
    }
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_lock_circuits_in_one_order() {
    let scene = Scene::new().await;
    let mut ids = [scene.webhook().await.id, scene.webhook().await.id];
    ids.sort_unstable();
    scene.publish(1).await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.endpoint_health
                 (webhook_id, consecutive_failures, open_count, open_until, is_probing, failing_since)
             SELECT id, 5, 1, now() - interval '1 second', false, now() FROM rdev_webhooks.webhooks",
        )
        .await;
    let mut held = scene
        .holding("SELECT FROM rdev_webhooks.endpoint_health ORDER BY webhook_id LIMIT 1 FOR UPDATE")
        .await;
    let mut claim = scene.claim(ids[1], 1);
    claim.shares.push(ClaimShare { webhook: ids[0], ..claim.shares[0] });
    let store = scene.store.clone();
    let claiming = tokio::spawn(async move { store.claim(&claim).await });
    scene.something_waits().await;
    // The other circuit is not marked before the first.
    held.execute(
        "SELECT FROM rdev_webhooks.endpoint_health ORDER BY webhook_id DESC LIMIT 1 FOR UPDATE NOWAIT;
         COMMIT",
    )
    .await
    .expect("the other row is not locked");
    assert_eq!(claiming.await.unwrap().unwrap().len(), 2);
}

#[tokio::test]
async fn a_delivery_without_an_event_is_claimed_once_and_removed() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(3).await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.attempts
                (delivery_id, number, trigger, started_at, duration_ns, signature)
             SELECT id, 1, 'automatic', now(), 0, '' FROM rdev_webhooks.delivery_queue;
             DELETE FROM rdev_webhooks.events WHERE id =
                 (SELECT event_id FROM rdev_webhooks.delivery_queue ORDER BY id LIMIT 1)",
        )
        .await;
    assert_eq!(scene.store.claim(&scene.claim(webhook.id, 3)).await.unwrap().len(), 2);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.delivery_queue").await, 2);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts").await, 2);
}

#[tokio::test]
async fn the_shared_limits_of_a_webhook_last_while_it_has_any() {
    let scene = Scene::new().await;
    let mut webhook = scene.webhook().await;
    for (rate_limit, max_in_flight, rows) in [(Some(5.0), None, 1), (None, Some(2), 1), (None, None, 0)] {
        webhook.version += 1;
        webhook.settings.rate_limit = rate_limit.and_then(RateLimit::per_second);
        webhook.settings.max_in_flight = max_in_flight.and_then(NonZeroU32::new);
        assert_eq!(scene.store.update(&webhook).await.unwrap(), Updated::Applied);
        assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.shared_limits").await, rows);
    }
}
