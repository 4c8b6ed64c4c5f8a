//! Opening and closing.

use std::sync::Arc;

use rdev_webhooks_domain::Access;
use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_store_sqlite::{OpenError, SqliteStore, migrate};
use rdev_webhooks_testkit::ManualClock;
use sqlx::{Connection, SqliteConnection};

use crate::harness::{SqliteHarness, key, options};

#[tokio::test]
async fn a_second_open_is_refused_with_instructions() {
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
async fn only_the_owner_can_access_the_files() {
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
async fn the_schema_stands_beside_other_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rdev.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let others = "CREATE TABLE _sqlx_migrations (version); CREATE TABLE webhooks (url);
        CREATE TABLE events (id, at); CREATE INDEX events_by_id ON events (id);";
    sqlx::raw_sql(others).execute(&mut conn).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let store = SqliteStore::open(options(path, key(1).into(), &clock)).await.unwrap();
    // SQLite's own table of the row ids that were used is the same for all tables.
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE name NOT GLOB 'webhooks_*' AND name NOT GLOB 'sqlite_autoindex_webhooks_*'
           AND name <> 'sqlite_sequence'
         ORDER BY name",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(names, ["_sqlx_migrations", "events", "events_by_id", "webhooks"]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    harness
        .tamper(
            "INSERT INTO webhooks_migrations (version, description, success, checksum, execution_time)
             VALUES (99990101000000, 'later', true, x'00', 0)",
        )
        .await;
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Newer { version: 99990101000000, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer version of rdev-webhooks"), "{refused}");
}

#[tokio::test]
async fn migrate_accepts_a_current_database_in_use() {
    let harness = SqliteHarness::new().await;
    migrate(&harness.path()).await.unwrap();
    harness.store.check().await.unwrap();
    harness.tamper("UPDATE webhooks_migrations SET version = version + 1").await;
    let refused = migrate(&harness.path()).await.err().unwrap();
    assert!(matches!(refused, OpenError::InUseByAnotherVersion { .. }), "{refused:?}");
    harness.tamper("UPDATE webhooks_migrations SET version = version - 1").await;
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
async fn open_refuses_a_file_that_is_not_a_database() {
    let harness = SqliteHarness::new().await;
    harness.store.close().await.unwrap();
    std::fs::write(harness.path(), "this is a letter to my aunt, not a database\n".repeat(100)).unwrap();
    let refused = harness.open_again(key(1).into()).await.err().unwrap();
    assert!(refused.to_string().contains("file is not a database"), "{refused}");
}

#[cfg(unix)]
mod names {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rdev_webhooks_domain::ports::EventRepository;

    use super::*;

    /// Returns the store's reason for an unusable database.
    async fn cause(store: &SqliteStore) -> String {
        let error = store.check().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        std::error::Error::source(&error).unwrap().to_string()
    }

    #[tokio::test]
    async fn another_path_to_a_database_does_not_bypass_its_lock() {
        let harness = SqliteHarness::new().await;
        let folder = tempfile::tempdir().unwrap();
        let (file, parent) = (folder.path().join("other.db"), folder.path().join("data"));
        symlink(harness.path(), &file).unwrap();
        symlink(harness.path().parent().unwrap(), &parent).unwrap();
        for name in [file, parent.join("rdev.db")] {
            let refused =
                SqliteStore::open(options(name, key(1).into(), &harness.clock)).await.err().unwrap();
            assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
        }
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "a file was created beside the other name: {left:?}");
    }

    #[tokio::test]
    async fn a_symbolic_link_opens_its_database() {
        let harness = SqliteHarness::new().await;
        let webhook = harness.webhook().await;
        harness.store.close().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("other.db");
        symlink(harness.path(), &name).unwrap();
        let store = SqliteStore::open(options(name, key(1).into(), &harness.clock)).await.unwrap();
        let refused = harness.open_again(key(1).into()).await.err().unwrap();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
        let found =
            rdev_webhooks_domain::ports::WebhookRepository::get(&store, Access::everything(), webhook.id)
                .await
                .unwrap();
        assert_eq!(found, Some(webhook));
    }

    #[tokio::test]
    async fn a_database_with_a_second_name_is_refused() {
        let harness = SqliteHarness::new().await;
        harness.store.close().await.unwrap();
        let folder = tempfile::tempdir_in(harness.path().parent().unwrap()).unwrap();
        let name = folder.path().join("other.db");
        fs::hard_link(harness.path(), &name).unwrap();
        for path in [harness.path(), name.clone()] {
            let refused =
                SqliteStore::open(options(path, key(1).into(), &harness.clock)).await.err().unwrap();
            assert!(matches!(refused, OpenError::SeveralNames { .. }), "{refused:?}");
            assert!(refused.to_string().contains("remove the other name"), "{refused}");
        }
        fs::remove_file(name).unwrap();
        harness.open_again(key(1).into()).await.unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_database_whose_lock_file_was_removed_is_still_locked() {
        let harness = SqliteHarness::new().await;
        let lock = harness.path().with_extension("db.lock");
        fs::remove_file(&lock).unwrap();
        let refused = harness.open_again(key(1).into()).await.err().unwrap();
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
        harness.store.check().await.unwrap();
        harness.store.close().await.unwrap();
        harness.open_again(key(1).into()).await.unwrap();
    }

    /// SQLite itself would shorten the index of the log, under the connections that have it mapped, as soon as
    /// one more connection opened the other file: the process would end by a signal.
    #[tokio::test]
    async fn reads_go_on_once_the_files_were_replaced() {
        let harness = SqliteHarness::new().await;
        let webhook = harness.webhook().await;
        let file = harness.path();
        let away = file.with_extension("away");
        fs::rename(&file, &away).unwrap();
        fs::copy(&away, &file).unwrap();
        let (store, filter) = (&*harness.store, rdev_webhooks_domain::EventFilter::default());
        let page = rdev_webhooks_domain::PageRequest { limit: 1, before: None };
        for _ in 0..3 {
            // More at once than there are connections.
            let reads = (0..40).map(|_| {
                rdev_webhooks_domain::ports::WebhookRepository::get(store, Access::everything(), webhook.id)
            });
            for found in futures_util::future::join_all(reads).await {
                assert_eq!(found.unwrap().as_ref(), Some(&webhook));
            }
            let lists = (0..40).map(|_| EventRepository::list(store, Access::everything(), &filter, page));
            for found in futures_util::future::join_all(lists).await {
                assert_eq!(found.unwrap().items, []);
            }
        }
        fs::rename(&away, &file).unwrap();
        harness.store.publish(&[harness.event()]).await.unwrap();
    }

    #[tokio::test]
    async fn writes_fail_once_the_files_were_replaced() {
        let harness = SqliteHarness::new().await;
        harness.webhook().await;
        for (ending, said) in [("db", "the database file was"), ("db-wal", "the write-ahead log was")] {
            let file = harness.path().with_extension(ending);
            let away = harness.path().with_extension("away");
            fs::rename(&file, &away).unwrap();
            for replaced in [false, true] {
                if replaced {
                    fs::copy(&away, &file).unwrap();
                }
                let refused = harness.store.publish(&[harness.event()]).await;
                assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
                assert!(cause(&harness.store).await.contains(said));
            }
            fs::rename(&away, &file).unwrap();
            harness.store.publish(&[harness.event()]).await.unwrap();
            harness.store.check().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_read_only_database_is_unready_until_it_is_writable() {
    use rdev_webhooks_domain::ports::EventRepository;

    let mut harness = SqliteHarness::new().await;
    harness.reopen_with(|options| options.timeout = std::time::Duration::from_secs(3)).await;
    let mut intruder = harness.intruder().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut intruder).await.unwrap();
    let refused = harness.store.publish(&[harness.event()]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let unfit = harness.store.check().await;
    assert!(matches!(unfit, Err(StoreError::Unavailable(_))), "{unfit:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut intruder).await.unwrap();
    harness.store.check().await.unwrap();
}
