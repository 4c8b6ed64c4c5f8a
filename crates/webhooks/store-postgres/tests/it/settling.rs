//! Settling with concurrent changes of the same rows.

use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryQueue, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, DisabledReason, FailureReason, HealthEffect, Settled, Settlement, Webhook, WebhookState,
};
use rdev_webhooks_testkit::samples;
use sqlx::Executor;

use crate::store::{Scene, settlement};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_as_gone_removes_concurrently_added_subscriptions() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let unwell = |leased, settled, gone, health| Settlement { gone, health, ..settlement(leased, settled) };
    scene.publish(2).await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 2)).await.unwrap();
    let retried = Settled::RetryAfter(Duration::from_secs(60));
    scene.store.settle(&[unwell(&leased[0], retried, None, HealthEffect::Unavailable)]).await.unwrap();
    let tried = Some(leased[1].target.version);
    let gone = unwell(&leased[1], Settled::Failed(FailureReason::Gone), tried, HealthEffect::Rejected);

    // Its subscriptions are being rewritten, in the store's own order.
    let mut held = scene.holding("UPDATE rdev_webhooks.webhooks SET updated_at = updated_at").await;
    let store = scene.store.clone();
    let settling = tokio::spawn(async move { store.settle(&[gone]).await });
    scene.something_waits().await;
    held.execute(
        "DELETE FROM rdev_webhooks.endpoint_health;
         DELETE FROM rdev_webhooks.subscriptions;
         INSERT INTO rdev_webhooks.subscriptions (pattern, project, webhook_id)
             SELECT '*', '', id FROM rdev_webhooks.webhooks;
         COMMIT",
    )
    .await
    .unwrap();
    assert_eq!(settling.await.unwrap().unwrap(), [true]);
    let changed = scene.store.get(Access::everything(), webhook.id).await.unwrap().unwrap();
    assert!(matches!(changed.state, WebhookState::Disabled { reason: DisabledReason::Gone, .. }));
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.subscriptions").await, 0);
    assert_eq!(scene.publish(1).await[0].deliveries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unrelated_change_rewrites_no_subscription() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene
        .execute(
            "CREATE FUNCTION untouched() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN RAISE EXCEPTION 'a subscription is written'; END $$;
             CREATE TRIGGER untouched BEFORE INSERT OR DELETE ON rdev_webhooks.subscriptions
                 FOR EACH ROW EXECUTE FUNCTION untouched()",
        )
        .await;
    let described = samples::with_settings(Webhook { version: 2, ..webhook.clone() }, |settings| {
        settings.description = Some("new".to_owned());
    });
    assert_eq!(scene.store.update(&described).await.unwrap(), Updated::Applied);
    let elsewhere = samples::with_settings(Webhook { version: 3, ..described }, |settings| {
        settings.projects = samples::projects(["a"]);
    });
    assert!(scene.store.update(&elsewhere).await.is_err(), "the trigger fires");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_concurrent_success_prevents_disabling() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.endpoint_health (webhook_id, consecutive_failures, open_count, is_probing,
                 failing_since, last_failed_at)
             SELECT id, 5, 0, false, now() - interval '6 days', now() FROM rdev_webhooks.webhooks",
        )
        .await;
    let mut held = scene.holding("DELETE FROM rdev_webhooks.endpoint_health").await;
    let store = scene.store.clone();
    let after = Duration::from_secs(5 * 24 * 60 * 60);
    let disabling = tokio::spawn(async move { store.disable_failing(after, 10).await });
    scene.something_waits().await;
    held.execute("COMMIT").await.unwrap();
    assert_eq!(disabling.await.unwrap().unwrap(), []);
    assert_eq!(
        scene.store.get(Access::everything(), webhook.id).await.unwrap().unwrap().state,
        WebhookState::Enabled
    );
}
