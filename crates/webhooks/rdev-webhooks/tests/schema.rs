//! Migration of a database, by the library or by a tool of the host.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers too")]

use rdev_webhooks::{
    Database, DatabaseError, DatabaseKind, MigrateError, OpenError, Publisher, SchemaState, migrate,
    migrations, schema_state,
};
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgPool, SqliteConnection, SqlitePool};

async fn empty() -> TestDatabase {
    PostgresServer::shared().await.database(async |_| Ok::<_, std::io::Error>(())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_of_the_host_migrates_postgres() {
    let database = empty().await;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    assert!(matches!(schema_state(&pool).await.unwrap(), SchemaState::Missing { .. }));
    let all = migrations(DatabaseKind::Postgres);
    for (applied, migration) in all.iter().enumerate() {
        if applied > 0 {
            let older = schema_state(&pool).await.unwrap();
            let known = all.last().unwrap().version;
            assert_eq!(older, SchemaState::Older { found: all[applied - 1].version, known });
        }
        let mut tx = pool.begin().await.unwrap();
        tx.execute(AssertSqlSafe(migration.sql.as_str())).await.unwrap();
        tx.commit().await.unwrap();
        assert!(migration.name.starts_with(&format!("{}_", migration.version)), "{}", migration.name);
    }
    assert_eq!(schema_state(&pool).await.unwrap(), SchemaState::Current);
    migrate(&pool).await.unwrap();
    Publisher::open(&pool).await.unwrap();
    // Applied twice, a migration fails and changes nothing.
    for migration in all {
        let mut tx = pool.begin().await.unwrap();
        tx.execute(AssertSqlSafe(migration.sql.as_str())).await.unwrap_err();
    }
    assert_eq!(schema_state(&pool).await.unwrap(), SchemaState::Current);
    pool.execute("UPDATE rdev_webhooks._migrations SET checksum = '\\x00' WHERE version = (SELECT max(version) FROM rdev_webhooks._migrations)")
        .await
        .unwrap();
    let changed = SchemaState::Changed { version: all.last().unwrap().version };
    assert_eq!(schema_state(&pool).await.unwrap(), changed);
    let refused = migrate(&pool).await.unwrap_err().to_string();
    assert!(refused.contains("is not the one of this program"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_of_the_host_migrates_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let database = Database::sqlite(&file);
    assert!(matches!(schema_state(&database).await.unwrap(), SchemaState::Missing { .. }));
    assert!(!file.exists());
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    conn.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY)").await.unwrap();
    assert!(matches!(schema_state(&database).await.unwrap(), SchemaState::Missing { .. }));
    for migration in migrations(DatabaseKind::Sqlite) {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.unwrap();
        tx.execute(AssertSqlSafe(migration.sql.as_str())).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(schema_state(&database).await.unwrap(), SchemaState::Current);
    migrate(&database).await.unwrap();
    let pool = SqlitePool::connect_with(options).await.unwrap();
    migrate(&pool).await.unwrap();
    Publisher::open(&pool).await.unwrap();
    conn.execute("INSERT INTO webhooks_migrations VALUES (99991231000000, '', '', 1, X'', 0)").await.unwrap();
    assert!(matches!(schema_state(&database).await.unwrap(), SchemaState::Newer { .. }));
    migrate(&database).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_migrate_at_once() {
    let database = empty().await;
    let (url, pool) = (database.url(), PgPool::connect(&database.url()).await.unwrap());
    let (one, two, three) = tokio::join!(migrate(&url), migrate(&pool), migrate(url.clone()));
    one.unwrap();
    two.unwrap();
    three.unwrap();
    assert_eq!(schema_state(url).await.unwrap(), SchemaState::Current);
    // Nothing is left in a session that a pooler would hand to others.
    let locks: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(locks, 0);
}

#[tokio::test]
async fn a_url_or_pool_without_a_database_is_refused() {
    let memory = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let refused = migrate(&memory).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Database(DatabaseError::InMemory)), "{refused:?}");
    let refused = schema_state("mysql://me:s3cret@host/db").await.unwrap_err();
    assert!(matches!(refused, OpenError::Database(DatabaseError::Scheme)), "{refused:?}");
    assert_eq!(refused.to_string(), "the database URL must begin with postgres:// or sqlite://");
    let refused = migrate("postgres://me:s3cret@ho st:x/db").await.unwrap_err().to_string();
    assert!(!refused.contains("s3cret"), "{refused}");
}
