//! The schema, and transactions that fail.

use std::time::Duration;

use rdev_runner_domain::ports::{CommandQueue, CommandRepository, ProjectRepository, StoreError};
use rdev_runner_domain::{Access, ClaimRequest, CommandStatus, LeaseToken, QueueLimits};
use rdev_runner_store_postgres::{SchemaError, check_schema, migrate};
use rdev_runner_testkit::{draft, project, request};
use rdev_webhooks_testkit::postgres::PostgresServer;

use crate::harness::{PostgresHarness, new_pool};

#[tokio::test]
async fn only_a_database_with_the_same_migrations_is_current() {
    let (pool, _database) = new_pool(PostgresServer::shared().await).await;
    assert!(matches!(check_schema(&pool).await, Err(SchemaError::Older(_))));
    migrate(&pool).await.unwrap();
    migrate(&pool).await.unwrap();
    check_schema(&pool).await.unwrap();
    let newer =
        "INSERT INTO rdev_runner._migrations (version, description, success, checksum, execution_time)
                 VALUES (99990101000000, '', true, '\\x00', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    assert!(matches!(check_schema(&pool).await, Err(SchemaError::Newer(99_990_101_000_000))));
    assert!(migrate(&pool).await.is_err());
}

#[tokio::test]
async fn a_change_that_cannot_be_published_is_not_made() {
    let harness = PostgresHarness::new().await;
    assert!(ProjectRepository::create(&*harness.store, &project("my-project")).await.unwrap());
    let command = CommandRepository::create(&*harness.store, &request(draft(1, "x"))).await.unwrap().unwrap();
    let refuse = "ALTER TABLE rdev_webhooks.events ADD CONSTRAINT refuse CHECK (event_type = '') NOT VALID";
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
    sqlx::query("ALTER TABLE rdev_webhooks.events DROP CONSTRAINT refuse")
        .execute(&harness.pool)
        .await
        .unwrap();
    assert!(harness.store.claim(&claim).await.unwrap().is_some());
}
