//! Encryption keys.

use rdev_keyring::{EncryptionKey, Keyring};
use rdev_runner_domain::ports::{CredentialGrant, CredentialRepository};
use rdev_runner_domain::{Access, CredentialDraft, CredentialKind, CredentialValue};
use rdev_runner_store_sqlite::{KeyError, SqliteCommands, check_keys, reseal};
use rdev_runner_testkit::command_id;
use rdev_webhooks::Publisher;
use secrecy::ExposeSecret;

use crate::harness::{SqliteHarness, keyring};

fn keys(numbers: [u8; 2]) -> Keyring {
    let text = |n| EncryptionKey::generate([n; 32]).expose_base64().expose_secret().to_owned();
    numbers.map(text).join(",").parse().unwrap()
}

/// Stores the versions `one` and `two` of a credential.
async fn put(harness: &SqliteHarness) {
    for text in ["the first value", "the second value"] {
        let draft = CredentialDraft {
            name: "TOKEN".parse().unwrap(),
            value: Some(CredentialValue::new(CredentialKind::Env, text.into()).unwrap()),
            projects: None,
            expires_at: None,
            overlap: std::time::Duration::from_secs(60),
        };
        harness.store.put(Access::everything(), &draft).await.unwrap();
    }
}

#[tokio::test]
async fn after_a_rotation_the_old_key_can_be_dropped() {
    let harness = SqliteHarness::new().await;
    check_keys(&harness.pool, &keyring(2)).await.unwrap();
    put(&harness).await;
    let needed = keyring(1).primary_key_id();
    for failed in
        [check_keys(&harness.pool, &keyring(2)).await, reseal(&harness.pool, &keyring(2)).await.map(drop)]
    {
        assert!(matches!(failed, Err(KeyError::Missing(key)) if key == needed), "{failed:?}");
    }
    check_keys(&harness.pool, &keys([1, 2])).await.unwrap();
    let report = reseal(&harness.pool, &keys([2, 1])).await.unwrap();
    assert!(report.is_complete() && report.resealed() == 2, "{report:?}");
    assert_eq!(reseal(&harness.pool, &keyring(2)).await.unwrap().resealed(), 0);
    assert!(check_keys(&harness.pool, &keyring(1)).await.is_err());

    let publisher = Publisher::open(&harness.pool).await.unwrap();
    let clock = std::sync::Arc::new(rdev_runner_testkit::ManualClock::default());
    let store = SqliteCommands::new(harness.pool.clone(), publisher, clock, keyring(2));
    let name = "TOKEN".parse().unwrap();
    let granted = store.grant(&name, command_id(1), &"p".parse().unwrap()).await.unwrap();
    let CredentialGrant::Granted(granted) = granted else { panic!("{granted:?}") };
    assert_eq!(granted.value.text().expose_secret(), "the second value");
    assert_eq!(granted.others[0].text().expose_secret(), "the first value");
}

/// Blobs that are ids.
const PLAIN: &[&str] = &[
    "runner_commands.id",
    "runner_events.command_id",
    "runner_credential_uses.command_id",
    "runner_pipelines.id",
    "runner_pipeline_triggers.id",
];

#[tokio::test]
async fn every_other_blob_is_an_encrypted_value() {
    let harness = SqliteHarness::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT t.name || '.' || c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.name LIKE 'runner_%' AND t.name <> 'runner_migrations' AND c.type = 'BLOB'",
    )
    .fetch_all(&harness.pool)
    .await
    .unwrap();
    let sealed: Vec<_> = columns.iter().filter(|column| !PLAIN.contains(&column.as_str())).collect();
    assert_eq!(sealed, ["runner_credential_versions.value"]);
}
