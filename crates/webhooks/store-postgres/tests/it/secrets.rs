//! Secrets at rest.

use std::time::Duration;

use rdev_keyring::{EncryptionKey, Keyring};
use rdev_webhooks_domain::ports::{
    DeliveryQueue, EventRepository, EventTypeRepository, StoreError, WebhookRepository,
};
use rdev_webhooks_domain::{Access, Discovery, EventFilter, EventType, PageRequest, WebhookFilter};
use rdev_webhooks_testkit::samples;
use secrecy::ExposeSecret;

use crate::store::Scene;

const TOKEN: &str = "Bearer 5up3r-s3cret-t0ken";

#[tokio::test]
async fn the_database_holds_no_plaintext_secret() {
    let scene = Scene::new().await;
    let mut webhook = samples::webhook(&scene.entropy, scene.now().await);
    webhook.settings.headers.insert("authorization", TOKEN).unwrap();
    let mut secrets = samples::secrets(&scene.entropy);
    let old = samples::secrets(&scene.entropy).current;
    secrets.previous = Some((old, webhook.created_at));
    scene.store.create(&webhook, &secrets).await.unwrap();
    webhook.version += 1;
    scene.store.update(&webhook).await.unwrap();

    let mut conn = scene.database.connect().await;
    // Both as text and as the stored bytes.
    let dump: Vec<String> = sqlx::query_scalar(
        "SELECT w::text FROM rdev_webhooks.webhooks w UNION ALL
         SELECT encode(coalesce(w.headers, '') || w.secret || w.previous_secret, 'escape')
             FROM rdev_webhooks.webhooks w UNION ALL
         SELECT s::text FROM rdev_webhooks.subscriptions s",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert!(dump.iter().any(|row| row.contains("https://example.com/webhook")), "the dump shows rows");
    let current = secrets.current.expose();
    let previous = secrets.previous.unwrap().0.expose();
    for secret in [TOKEN, "5up3r", current.expose_secret(), previous.expose_secret()] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for row in &dump {
            assert!(!row.contains(secret) && !row.contains(&hex), "the database holds a plaintext secret");
        }
    }
    let debug = format!("{:?} {:?}", scene.store, crate::store::options(&scene.database));
    assert!(!debug.contains("postgres://"), "{debug}");
}

#[tokio::test]
async fn a_secret_does_not_open_in_another_row_or_column() {
    let scene = Scene::new().await;
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    scene
        .execute(
            "UPDATE rdev_webhooks.webhooks SET secret =
                 (SELECT secret FROM rdev_webhooks.webhooks ORDER BY id LIMIT 1)",
        )
        .await;
    scene.publish(1).await;
    let mut claimed = scene.claim(one.id, 1);
    claimed.shares.extend(scene.claim(two.id, 1).shares);
    let leased = scene.store.claim(&claimed).await.unwrap();
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].target.webhook_id, one.id.min(two.id));
    scene.execute("UPDATE rdev_webhooks.webhooks SET headers = secret").await;
    let refused = WebhookRepository::get(&scene.store, Access::everything(), one.id.min(two.id)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { column: "headers", .. })), "{refused:?}");
}

#[tokio::test]
async fn an_unreadable_webhook_keeps_its_deliveries_and_affects_no_other() {
    let scene = Scene::new().await;
    let good = scene.webhook().await;
    let bad = scene.webhook().await;
    let strange = EncryptionKey::generate([8; 32]);
    let secret = samples::secrets(&scene.entropy).current.expose();
    let place = format!("webhooks.secret {}", bad.id);
    let sealed = Keyring::new(strange.clone()).seal(secret.expose_secret().as_bytes(), place.as_bytes());
    sqlx::query("UPDATE rdev_webhooks.webhooks SET secret = $1 WHERE id = $2")
        .bind(sealed.unwrap())
        .bind(bad.id.as_uuid())
        .execute(&mut scene.database.connect().await)
        .await
        .unwrap();

    scene.publish(1).await;
    let mut claim = scene.claim(good.id, 9);
    claim.shares.extend(scene.claim(bad.id, 9).shares);
    let leased = scene.store.claim(&claim).await.unwrap();
    assert_eq!(leased.iter().map(|one| one.target.webhook_id).collect::<Vec<_>>(), [good.id]);
    // It is neither leased nor counted as attempted, and is not offered for a while.
    assert_eq!(
        scene
            .count(
                "SELECT count(*) FROM rdev_webhooks.delivery_queue WHERE lease_token IS NULL AND attempts = 0"
            )
            .await,
        1
    );
    let Discovery { due, .. } = scene.store.discover(None, 9).await.unwrap();
    assert!(due.is_empty(), "{due:?}");
    let both = [strange, EncryptionKey::generate([7; 32])].map(|key| key.expose_base64());
    let both = both.each_ref().map(|text| text.expose_secret()).join(",");
    let elsewhere = scene.another_with(|options| options.keyring = both.parse().unwrap()).await;
    let elsewhere = elsewhere.claim(&scene.claim(bad.id, 9)).await.unwrap();
    assert_eq!(elsewhere.len(), 1);
}

#[tokio::test]
async fn an_unreadable_webhook_affects_no_other() {
    let scene = Scene::new().await;
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    let (broken, whole) = (one.id.min(two.id), one.id.max(two.id));
    for column in ["headers = '\\x00'", "url = 'x'", "projects = '{\" \"}'", "retry = 'x'", "signing = 'x'"] {
        let statement = format!(
            "UPDATE rdev_webhooks.webhooks SET {column} WHERE id = (SELECT id FROM rdev_webhooks.webhooks
                 ORDER BY id LIMIT 1)"
        );
        scene.execute(Box::leak(statement.into_boxed_str())).await;
        let page = PageRequest { limit: 10, before: None };
        let listed =
            WebhookRepository::list(&scene.store, Access::everything(), &WebhookFilter::default(), page)
                .await
                .unwrap();
        assert_eq!(listed.items.iter().map(|one| one.id).collect::<Vec<_>>(), [whole], "{column}");
        assert_eq!(listed.damaged.iter().map(|one| &one.id).collect::<Vec<_>>(), [&broken.to_string()]);
        let got = WebhookRepository::get(&scene.store, Access::everything(), broken).await;
        assert!(matches!(got, Err(StoreError::Corrupt { .. })), "{got:?}");
    }
    scene
        .execute(
            "INSERT INTO rdev_webhooks.endpoint_health (webhook_id, consecutive_failures, open_count, is_probing,
                 failing_since, last_failed_at, last_failure_silent)
             SELECT id, 1, 0, false, now() - interval '1 day', now(), false FROM rdev_webhooks.webhooks;
             INSERT INTO rdev_webhooks.event_types VALUES ('no name', NULL, NULL, now(), now()),
                 ('a.b', NULL, NULL, now(), now())",
        )
        .await;
    let disabled = scene.store.disable_failing(Duration::from_secs(60), 10).await.unwrap();
    assert_eq!(disabled.len(), 2);
    let of_type = EventFilter { event_type: Some(EventType::webhook_disabled()), ..EventFilter::default() };
    let all = PageRequest { limit: 10, before: None };
    assert_eq!(
        EventRepository::list(&scene.store, Access::everything(), &of_type, all).await.unwrap().items.len(),
        2
    );
    let types = scene.store.all().await.unwrap().types;
    assert_eq!(types.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a.b"]);
}
