//! Encryption keys.

use std::collections::BTreeSet;

use rdev_keyring::{Keyring, RotationReport};
use rdev_webhooks_domain::ports::{Clock, DeliveryQueue, Updated, WebhookRepository};
use rdev_webhooks_domain::{Access, SigningSecrets};
use rdev_webhooks_store_sqlite::{OpenError, rekey};
use rdev_webhooks_testkit::samples;
use secrecy::ExposeSecret;

use crate::harness::{SqliteHarness, key};

fn keys(numbers: [u8; 2]) -> Keyring {
    let texts = numbers.map(|number| key(number).expose_base64().expose_secret().to_owned());
    texts.join(",").parse().unwrap()
}

#[tokio::test]
async fn open_refuses_another_key() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    let refused = harness.open_again(key(2).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(1).id()), "{refused:?}");
    assert!(refused.to_string().contains("sealed with another encryption key"), "{refused}");
    harness.open_again(key(1).into()).await.unwrap();
}

#[tokio::test]
async fn after_a_rotation_the_old_key_can_be_dropped() {
    let harness = SqliteHarness::new().await;
    let mut webhook = samples::webhook(&harness.entropy, harness.clock.now());
    webhook.settings.headers.insert("x-token", "sesame").unwrap();
    let mut secrets = samples::secrets(&harness.entropy);
    let previous = samples::secrets(&harness.entropy).current;
    secrets.previous = Some((previous, webhook.created_at));
    webhook.set_public_keys(&secrets);
    harness.create(&webhook, &secrets).await;
    harness.publish(webhook.id).await;
    harness.store.close().await.unwrap();

    harness.open_again(keys([2, 1])).await.unwrap().close().await.unwrap();
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(2).id()), "{refused:?}");

    let store = harness.open_again(key(2).into()).await.unwrap();
    assert_eq!(
        WebhookRepository::get(&store, Access::everything(), webhook.id).await.unwrap(),
        Some(webhook.clone())
    );
    let claim = harness.claim_of(webhook.id);
    let leased = store.claim(&claim).await.unwrap();
    let target = &leased[0].target;
    assert_eq!(target.headers, webhook.settings.headers);
    assert_eq!(target.secrets.current, secrets.current);
    assert_eq!(target.secrets.previous, secrets.previous);
}

/// Blobs that are not sealed: ids, and values stored as received.
const PLAIN: &[&str] = &[
    "events.body",
    "attempts.response_body",
    "api_keys.hash",
    "idempotency_keys.owner",
    "idempotency_keys.digest",
    "replays.scan_cursor",
    "write_probe.value",
];

/// Blobs that are sealed, and handled separately.
const CHECKS: &[&str] = &["encryption_keys.key_check"];

#[tokio::test]
async fn every_sealed_column_is_resealed() {
    let harness = SqliteHarness::new().await;
    let mut conn = harness.intruder().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT replace(t.name, 'webhooks_', '') || '.' || c.name
         FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.name <> 'webhooks_migrations' AND c.type = 'BLOB'
           AND c.name <> 'id' AND c.name NOT LIKE '%\\_id' ESCAPE '\\'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let report = rekey(&harness.path(), &key(1).into()).await.unwrap();
    let listed: BTreeSet<&str> = report.places.iter().map(|(place, _)| place.as_str()).collect();
    let others = PLAIN.iter().chain(CHECKS).copied();
    let expected: BTreeSet<&str> = listed.iter().copied().chain(others).collect();
    let found: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    assert_eq!(found, expected, "a column is in neither list");
    assert_eq!(listed.len() + PLAIN.len() + CHECKS.len(), found.len(), "a column is in both lists");
}

async fn webhooks(
    harness: &SqliteHarness,
    count: usize,
) -> Vec<(rdev_webhooks_domain::Webhook, SigningSecrets)> {
    let mut made = Vec::new();
    for _ in 0..count {
        let mut webhook = samples::webhook(&harness.entropy, harness.clock.now());
        webhook.settings.headers.insert("x-token", "sesame").unwrap();
        let old = samples::secrets(&harness.entropy);
        let secrets = old.rotated(samples::secrets(&harness.entropy).current, Some(webhook.created_at));
        webhook.set_public_keys(&secrets);
        harness.create(&webhook, &secrets).await;
        made.push((webhook, secrets));
    }
    made
}

fn resealed(report: &RotationReport) -> Vec<(&str, u64)> {
    report
        .places
        .iter()
        .filter(|(place, _)| place.starts_with("webhooks."))
        .map(|(place, tally)| (&place[9..], tally.resealed))
        .collect()
}

#[tokio::test]
async fn keys_rotate_while_the_database_is_in_use() {
    let mut harness = SqliteHarness::new().await;
    harness.reopen_with(|options| options.keyring = std::sync::Arc::new(keys([1, 2]))).await;
    // More than fit one step.
    let made = webhooks(&harness, 450).await;
    let deleted = webhooks(&harness, 1).await.remove(0).0.id;
    let answer = harness.store.delete(Access::everything(), deleted, None).await.unwrap();
    assert_eq!(answer, Updated::Applied);

    let report = rekey(&harness.path(), &keys([2, 1])).await.unwrap();
    assert_eq!(resealed(&report), [("headers", 450), ("secret", 450), ("previous_secret", 450)]);
    assert!(report.is_complete());
    let again = rekey(&harness.path(), &keys([2, 1])).await.unwrap();
    assert_eq!((again.resealed(), again.is_complete()), (0, true));
    // A store that has the database open can still read.
    for (webhook, _) in made.iter().step_by(100) {
        let stored = WebhookRepository::get(&*harness.store, Access::everything(), webhook.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(webhook));
    }
    harness.store.close().await.unwrap();
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(2).id()), "{refused:?}");
    let store = harness.open_again(key(2).into()).await.unwrap();
    for (webhook, _) in &made {
        assert_eq!(
            WebhookRepository::get(&store, Access::everything(), webhook.id).await.unwrap().as_ref(),
            Some(webhook)
        );
    }
}

#[tokio::test]
async fn a_rotation_without_a_key_names_it_and_changes_nothing() {
    let harness = SqliteHarness::new().await;
    webhooks(&harness, 1).await;
    let refused = rekey(&harness.path(), &keys([2, 3])).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(1).id()), "{refused:?}");
    // A value with an unrecorded key, written by other means.
    let strange = Keyring::from(key(9)).seal(b"whsec_", b"").unwrap();
    let mut conn = harness.intruder().await;
    sqlx::query("UPDATE webhooks_webhooks SET secret = ?1").bind(strange).execute(&mut conn).await.unwrap();
    let report = rekey(&harness.path(), &keys([2, 1])).await.unwrap();
    assert!(!report.is_complete());
    assert_eq!(resealed(&report), [("headers", 1), ("secret", 0), ("previous_secret", 1)]);
    assert!(report.to_string().contains(&key(9).id().to_string()), "{report}");
    // So the old key is still needed.
    harness.store.close().await.unwrap();
    let refused = harness.open_again(key(2).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::WrongKey { needed, .. } if needed == key(1).id()), "{refused:?}");
}
