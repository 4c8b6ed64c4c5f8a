//! Opening and closing.

use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_store_sqlite::{OpenError, SqliteStore, migrate};

use crate::harness::{SqliteHarness, key, options};

#[tokio::test]
async fn a_second_open_is_refused_with_what_to_do() {
    let harness = SqliteHarness::new().await;
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    let message = refused.to_string();
    let expected = "is in use by another rdev-webhooks process; stop it, or use another --data-dir";
    assert!(message.ends_with(expected), "{message}");
    harness.store.check().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_can_be_opened_again_and_is_unavailable_itself() {
    let harness = SqliteHarness::new().await;
    let webhook = harness.webhook().await;
    harness.store.close().await.unwrap();
    harness.store.close().await.unwrap();
    let claimed = harness.store.claim(&harness.claim_of(webhook.id)).await;
    assert!(matches!(claimed, Err(StoreError::Unavailable(_))));
    assert!(matches!(harness.store.check().await, Err(StoreError::Unavailable(_))));
    let again = harness.open_again(key(1).into()).await.unwrap();
    again.check().await.unwrap();
}

#[tokio::test]
async fn closing_folds_the_log_into_the_database() {
    let harness = SqliteHarness::new().await;
    harness.webhook().await;
    harness.store.close().await.unwrap();
    let log = harness.path().with_extension("db-wal");
    assert!(!log.exists(), "{} is left", log.display());
}

#[cfg(unix)]
#[tokio::test]
async fn all_files_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let harness = SqliteHarness::new().await;
    harness.webhook().await;
    let folder = harness.path().parent().unwrap().to_owned();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for file in folder.read_dir().unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{:?}", file.file_name());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["rdev.db", "rdev.db-shm", "rdev.db-wal", "rdev.db.lock"]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    harness
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'later', true, x'00', 0)",
        )
        .await;
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Newer { version: 9999, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer version of rdev-webhooks"), "{refused}");
}

#[tokio::test]
async fn a_database_is_migrated_only_while_nobody_has_it() {
    let harness = SqliteHarness::new().await;
    let refused = migrate(&harness.path()).await.err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    harness.store.close().await.unwrap();
    migrate(&harness.path()).await.unwrap();
    harness.open_again(key(1).into()).await.unwrap();
}

#[tokio::test]
async fn a_migrated_database_takes_the_first_key_that_it_is_opened_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/rdev.db");
    migrate(&path).await.unwrap();
    let clock = std::sync::Arc::default();
    for _ in 0..2 {
        let store = SqliteStore::open(options(path.clone(), key(7).into(), &clock)).await.unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    std::fs::write(harness.path(), "this is a letter to my aunt, not a database\n".repeat(100)).unwrap();
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(refused.to_string().contains("file is not a database"), "{refused}");
}
