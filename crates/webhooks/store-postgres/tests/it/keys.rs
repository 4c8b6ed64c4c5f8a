//! Encryption keys.

use std::collections::BTreeSet;

use rdev_keyring::{EncryptionKey, Keyring, RotationReport};
use rdev_webhooks_domain::ports::{StoreError, WebhookRepository};
use rdev_webhooks_domain::{Access, SigningSecrets, Webhook};
use rdev_webhooks_store_postgres::{ConnectError, PostgresStore, rekey};
use rdev_webhooks_testkit::samples;
use secrecy::ExposeSecret;

use crate::store::{Scene, options};

/// The initial key of every scene.
const FIRST: u8 = 7;

fn key(number: u8) -> EncryptionKey {
    EncryptionKey::generate([number; 32])
}

fn keys(numbers: &[u8]) -> Keyring {
    let texts: Vec<_> =
        numbers.iter().map(|number| key(*number).expose_base64().expose_secret().to_owned()).collect();
    texts.join(",").parse().unwrap()
}

async fn connect(scene: &Scene, numbers: &[u8]) -> Result<PostgresStore, ConnectError> {
    let mut options = options(&scene.database);
    options.keyring = keys(numbers);
    PostgresStore::connect(options).await
}

#[track_caller]
fn needs(refused: Result<PostgresStore, ConnectError>, number: u8) {
    let refused = refused.expect_err("it does not connect");
    assert!(
        matches!(refused, ConnectError::WrongKey { needed } if needed == key(number).id()),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("another encryption key"), "{refused}");
}

/// Binary columns that are not sealed.
const PLAIN: &[&str] = &[
    "events.body",
    "attempts.response_body",
    "deliveries.success_response_body",
    "api_keys.hash",
    "encryption_keys.key_id",
    "idempotency_keys.digest",
];

/// Binary columns that are sealed, and handled separately.
const CHECKS: &[&str] = &["encryption_keys.key_check"];

#[tokio::test]
async fn every_sealed_column_is_resealed() {
    let scene = Scene::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'rdev_webhooks'::regnamespace AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition AND a.atttypid = 'bytea'::regtype AND a.attnum > 0
             AND NOT a.attisdropped AND c.relname <> '_migrations'",
    )
    .fetch_all(&mut scene.database.connect().await)
    .await
    .unwrap();
    let report = rekey(&scene.database.url(), &keys(&[FIRST])).await.unwrap();
    let listed: BTreeSet<&str> = report.places.iter().map(|(place, _)| place.as_str()).collect();
    let others = PLAIN.iter().chain(CHECKS).copied();
    let expected: BTreeSet<&str> = listed.iter().copied().chain(others).collect();
    let found: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    assert_eq!(found, expected, "a column is in neither list");
    assert_eq!(listed.len() + PLAIN.len() + CHECKS.len(), found.len(), "a column is in both lists");
}

#[tokio::test]
async fn connect_refuses_another_key() {
    let scene = Scene::new().await;
    needs(connect(&scene, &[8]).await, FIRST);
    // Neither did the first key count as the database's, nor was the refused one recorded.
    connect(&scene, &[FIRST]).await.unwrap().close().await;
    // A new primary key together with the old key is accepted, and is needed from then on.
    connect(&scene, &[8, FIRST]).await.unwrap().close().await;
    needs(connect(&scene, &[FIRST]).await, 8);
    needs(connect(&scene, &[8]).await, FIRST);
    connect(&scene, &[FIRST, 8]).await.unwrap().close().await;
}

#[tokio::test]
async fn only_one_of_several_keys_claims_a_new_database() {
    let scene = Scene::new().await;
    scene.execute("DELETE FROM rdev_webhooks.encryption_keys").await;
    let mut connected = Vec::new();
    let mut starting = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let mut options = options(&scene.database);
        options.keyring = keys(&[number]);
        starting.spawn(PostgresStore::connect(options));
    }
    for started in starting.join_all().await {
        match started {
            Ok(store) => connected.push(store),
            Err(error) => assert!(matches!(error, ConnectError::WrongKey { .. }), "{error:?}"),
        }
    }
    assert_eq!(connected.len(), 1);
}

#[tokio::test]
async fn a_database_without_key_checks_is_checked_by_its_webhooks() {
    let scene = Scene::new().await;
    scene.webhook().await;
    scene.execute("DELETE FROM rdev_webhooks.encryption_keys").await;
    needs(connect(&scene, &[8]).await, FIRST);
    connect(&scene, &[FIRST]).await.unwrap().close().await;
    needs(connect(&scene, &[8]).await, FIRST);
}

async fn webhooks(scene: &Scene, store: &PostgresStore, count: usize) -> Vec<Webhook> {
    let mut made = Vec::new();
    for _ in 0..count {
        let mut webhook = samples::webhook(&scene.entropy, scene.now().await);
        webhook.settings.headers.insert("x-token", "sesame").unwrap();
        let old: SigningSecrets = samples::secrets(&scene.entropy);
        let secrets = old.rotated(samples::secrets(&scene.entropy).current, Some(webhook.created_at));
        webhook.set_public_keys(&secrets);
        store.create(&webhook, &secrets).await.unwrap();
        made.push(webhook);
    }
    made
}

fn resealed(report: &RotationReport) -> Vec<(&str, u64)> {
    let webhooks = report
        .places
        .iter()
        .filter_map(|(place, tally)| Some((place.strip_prefix("webhooks.")?, tally.resealed)));
    webhooks.collect()
}

#[tokio::test]
async fn keys_rotate_while_processes_serve() {
    let scene = Scene::new().await;
    // More than fit one step, sealed with the old key by one process and with the new one by another.
    let (old_first, new_first) =
        (connect(&scene, &[FIRST, 8]).await.unwrap(), connect(&scene, &[8, FIRST]).await.unwrap());
    let mut made = webhooks(&scene, &old_first, 230).await;
    made.extend(webhooks(&scene, &new_first, 20).await);

    let url = scene.database.url();
    let both = keys(&[8, FIRST]);
    let (report, behind) = tokio::join!(rekey(&url, &both), webhooks(&scene, &old_first, 5));
    assert!(report.unwrap().is_complete());
    made.extend(behind);
    let report = rekey(&url, &both).await.unwrap();
    assert!(report.is_complete() && report.resealed() <= 15, "{report:?}");
    let again = rekey(&url, &both).await.unwrap();
    assert_eq!(resealed(&again), [("headers", 0), ("secret", 0), ("previous_secret", 0)]);

    needs(connect(&scene, &[FIRST]).await, 8);
    let after = connect(&scene, &[8]).await.unwrap();
    for webhook in made {
        for store in [&old_first, &after] {
            assert_eq!(store.get(Access::everything(), webhook.id).await.unwrap().as_ref(), Some(&webhook));
        }
    }
}

#[tokio::test]
async fn a_rotation_without_a_key_names_it_and_keeps_the_old_key_needed() {
    let scene = Scene::new().await;
    webhooks(&scene, &scene.store, 2).await;
    let url = scene.database.url();
    let refused = rekey(&url, &keys(&[8, 9])).await.err().unwrap();
    assert!(matches!(refused, ConnectError::WrongKey { needed } if needed == key(FIRST).id()), "{refused:?}");

    // Header values with an unrecorded key, and a damaged value; both were written by other means.
    let strange = Keyring::from(key(9)).seal(b"x-a: b", b"").unwrap();
    let put = "UPDATE rdev_webhooks.webhooks SET headers = $1
               WHERE id = (SELECT min(id::text)::uuid FROM rdev_webhooks.webhooks)";
    sqlx::query(put).bind(strange).execute(&mut scene.database.connect().await).await.unwrap();
    scene
        .execute(
            "UPDATE rdev_webhooks.webhooks SET previous_secret = substring(previous_secret FOR 20)
             WHERE id = (SELECT max(id::text)::uuid FROM rdev_webhooks.webhooks)",
        )
        .await;
    let report = rekey(&url, &keys(&[8, FIRST])).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(resealed(&report), [("headers", 1), ("secret", 2), ("previous_secret", 1)]);
    let reported = report.to_string();
    assert!(
        reported.contains(&key(9).id().to_string()) && reported.contains("previous_secret: 1 damaged"),
        "{reported}"
    );
    needs(connect(&scene, &[8]).await, FIRST);
}

#[tokio::test]
async fn an_altered_key_check_is_not_reported_as_a_wrong_key() {
    let scene = Scene::new().await;
    scene
        .execute(
            "UPDATE rdev_webhooks.encryption_keys
             SET key_check = set_byte(key_check, length(key_check) - 1,
                 (get_byte(key_check, length(key_check) - 1) + 1) % 256)",
        )
        .await;
    let refused = connect(&scene, &[FIRST]).await.err().unwrap();
    assert!(matches!(refused, ConnectError::Store(StoreError::Corrupt { .. })), "{refused:?}");
}
