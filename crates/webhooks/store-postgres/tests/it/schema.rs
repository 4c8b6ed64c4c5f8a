//! The schema's version.

use rdev_webhooks_domain::ports::DeliveryQueue;
use rdev_webhooks_store_postgres::{
    ConnectError, MigrateError, PostgresOptions, PostgresStore, SchemaState, migrate, schema_state,
};
use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::Executor;

use crate::store::{Scene, keyring, options};

#[tokio::test]
async fn a_migrated_database_is_current_and_may_be_migrated_again() {
    let scene = Scene::new().await;
    let url = scene.database.url();
    assert_eq!(schema_state(&url).await.unwrap(), SchemaState::Current);
    let (one, two) = tokio::join!(migrate(&url), migrate(&url));
    one.unwrap();
    two.unwrap();
}

#[tokio::test]
async fn connect_refuses_an_empty_database_and_names_the_command() {
    let scene = Scene::new().await;
    scene.execute("DROP SCHEMA rdev_webhooks CASCADE").await;
    let refused = PostgresStore::connect(options(&scene.database)).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Schema(SchemaState::Missing { .. })), "{refused:?}");
    assert!(refused.to_string().contains("run `rdev-webhooks migrate --database-url"), "{refused}");
    // The check changes nothing.
    assert_eq!(scene.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'rdev_webhooks'").await, 0);
}

#[tokio::test]
async fn connect_refuses_an_older_schema_and_names_the_command() {
    let scene = Scene::new().await;
    scene.execute("UPDATE rdev_webhooks._migrations SET version = version - 2").await;
    let refused = PostgresStore::connect(options(&scene.database)).await.unwrap_err();
    let ConnectError::Schema(SchemaState::Older { found, known }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(found, known - 2);
    assert!(refused.to_string().contains("run `rdev-webhooks migrate --database-url"), "{refused}");
}

#[tokio::test]
async fn connect_and_migrate_refuse_a_newer_schema() {
    let scene = Scene::new().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks._migrations (version, description, success, checksum, execution_time)
             VALUES (99991231000000, 'from the future', true, '', 0)",
        )
        .await;
    let refused = PostgresStore::connect(options(&scene.database)).await.unwrap_err();
    let ConnectError::Schema(newer @ SchemaState::Newer { found: 99_991_231_000_000, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(refused.to_string().contains("newer release"), "{refused}");
    let refused = migrate(&scene.database.url()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Schema(state) if state == newer), "{refused:?}");
}

#[tokio::test]
async fn an_invalid_url_is_refused_and_not_repeated() {
    for url in ["mysql://me:s3cret@host/db", "postgres://me:s3cret@ho st:x/db", "s3cret"] {
        let refused = PostgresStore::connect(PostgresOptions::new(url, keyring())).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Url), "{refused:?}");
        assert!(!format!("{refused:?} {refused}").contains("s3cret"));
        assert!(matches!(migrate(url).await, Err(MigrateError::Url)));
    }
}

#[tokio::test]
async fn another_schema_of_the_database_is_left_alone() {
    let database = PostgresServer::shared().await.database(async |url| migrate(&url).await).await;
    let mut conn = database.connect().await;
    conn.execute("CREATE TABLE webhooks (id int); CREATE TABLE events (id int)").await.unwrap();
    let scene_store = PostgresStore::connect(options(&database)).await.unwrap();
    let elsewhere: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname NOT IN ('webhooks', 'events')",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(elsewhere, 0);
    scene_store.close().await;
}

#[tokio::test]
async fn a_store_is_ready_on_a_newer_schema_and_not_on_an_older_one() {
    let scene = Scene::new().await;
    scene.store.check().await.unwrap();
    scene
        .execute(
            "INSERT INTO rdev_webhooks._migrations (version, description, success, checksum, execution_time)
             VALUES (99991231000000, 'from the future', true, '', 0)",
        )
        .await;
    scene.store.check().await.unwrap();
    scene.execute("UPDATE rdev_webhooks._migrations SET version = 0 - version").await;
    let refused = scene.store.check().await.unwrap_err();
    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(reason.contains("run `rdev-webhooks migrate"), "{reason}");
}
