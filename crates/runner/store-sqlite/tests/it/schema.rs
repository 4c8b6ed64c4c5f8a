//! The schema, and transactions that fail.

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use rdev_runner_domain::ports::{CommandQueue, CommandRepository, ProjectRepository, StoreError};
use rdev_runner_domain::{Access, ClaimRequest, CommandStatus, LeaseToken, QueueLimits};
use rdev_runner_store_sqlite::{SchemaError, check_schema, migrate};
use rdev_runner_testkit::{draft, project, request};

use crate::harness::{SqliteHarness, new_pool, path_in};

#[tokio::test]
async fn only_a_database_with_the_same_migrations_is_current() {
    let folder = tempfile::tempdir().unwrap();
    let pool = new_pool(&folder).await;
    assert!(matches!(check_schema(&pool).await, Err(SchemaError::Older(_))));
    migrate(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    check_schema(&pool).await.unwrap();
    let newer = "INSERT INTO runner_migrations (version, description, success, checksum, execution_time)
                 VALUES (99990101000000, '', true, X'00', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    assert!(matches!(check_schema(&pool).await, Err(SchemaError::Newer(99_990_101_000_000))));
    assert!(migrate(&pool).await.is_err());
}

#[tokio::test]
async fn a_change_that_cannot_be_published_is_not_made() {
    let harness = SqliteHarness::new().await;
    assert!(ProjectRepository::create(&*harness.store, &project("my-project")).await.unwrap());
    let command = CommandRepository::create(&*harness.store, &request(draft(1, "x"))).await.unwrap().unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON webhooks_events
                  BEGIN SELECT raise(ABORT, 'refused'); END";
    sqlx::query(refuse).execute(&harness.pool).await.unwrap();
    let claim = ClaimRequest {
        host: "host-1".parse().unwrap(),
        token: LeaseToken::new(1),
        lease_for: Duration::from_secs(60),
        limits: QueueLimits { max_running: 4, providers: [("claude".parse().unwrap(), 4)].into() },
    };
    let failed = harness.store.claim(&claim).await;
    assert!(matches!(failed, Err(StoreError::Internal(_))), "{failed:?}");
    let stored = CommandRepository::get(&*harness.store, Access::everything(), command.id).await;
    assert_eq!(stored.unwrap().unwrap().state.status(), CommandStatus::Queued);
    sqlx::query("DROP TRIGGER refuse").execute(&harness.pool).await.unwrap();
    assert!(harness.store.claim(&claim).await.unwrap().is_some());
}

#[tokio::test]
async fn writes_fail_once_the_files_were_replaced() {
    let harness = SqliteHarness::new().await;
    let (store, file) = (&*harness.store, path_in(&harness.folder));
    let project = project("my-project");
    assert!(ProjectRepository::create(store, &project).await.unwrap());
    for (number, ending, said) in
        [(1, "db", "the database file was"), (2, "db-wal", "the write-ahead log was")]
    {
        let (file, away) = (file.with_extension(ending), file.with_extension("away"));
        fs::rename(&file, &away).unwrap();
        for replaced in [false, true] {
            if replaced {
                fs::copy(&away, &file).unwrap();
            }
            let refused = CommandRepository::create(store, &request(draft(number, "x"))).await;
            let Err(StoreError::Unavailable(cause)) = refused else { panic!("{refused:?}") };
            assert!(cause.to_string().starts_with(said), "{cause}");
            // More at once than there are connections.
            let reads = (0..20).map(|_| ProjectRepository::get(store, Access::everything(), &project.name));
            for found in join_all(reads).await {
                assert!(found.unwrap().is_some());
            }
        }
        fs::rename(&away, &file).unwrap();
        CommandRepository::create(store, &request(draft(number, "x"))).await.unwrap().unwrap();
    }
}
