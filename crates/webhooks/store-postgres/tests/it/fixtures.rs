//! Migration of populated databases, kept as SQL in `tests/fixtures/VERSION.sql`, where `VERSION` is their
//! newest migration.

use std::fs;
use std::path::{Path, PathBuf};

use rdev_webhooks_store_postgres::{PostgresStore, migrate};
use rdev_webhooks_testkit::SeededEntropy;
use rdev_webhooks_testkit::contract::populated;
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor};

use crate::contract::PostgresHarness;
use crate::store::{Scene, options};

static MIGRATIONS: Migrator = sqlx::migrate!();

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Returns the fixtures, the oldest first.
fn fixtures() -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is a fixture");
    paths
}

/// Returns the newest migration of a fixture.
fn version(fixture: &Path) -> i64 {
    fixture.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// Creates the database of a fixture, in which two days have passed since.
async fn load(fixture: &Path) -> TestDatabase {
    let database = PostgresServer::shared().await.database(async |url| migrate(&url).await).await;
    let statements = fs::read_to_string(fixture).unwrap();
    let mut conn = database.connect().await;
    conn.execute("DROP SCHEMA rdev_webhooks CASCADE").await.unwrap();
    conn.execute(AssertSqlSafe(statements)).await.unwrap();
    let ahead: i64 = sqlx::query_scalar(
        "SELECT (extract(epoch FROM seen_at + interval '2 days' - pg_catalog.now()) * 1000000)::int8
         FROM rdev_webhooks.retention",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    let clock = format!(
        "CREATE OR REPLACE FUNCTION rdev_webhooks.now() RETURNS timestamptz
             LANGUAGE sql STABLE PARALLEL SAFE
             AS $$ SELECT pg_catalog.now() + interval '{ahead} microseconds' $$;
         UPDATE rdev_webhooks.retention SET seen_at = rdev_webhooks.now()"
    );
    conn.execute(AssertSqlSafe(clock)).await.unwrap();
    database
}

#[tokio::test]
async fn a_populated_database_is_migrated_and_read() {
    for fixture in fixtures() {
        let database = load(&fixture).await;
        migrate(&database.url()).await.unwrap();
        let store = PostgresStore::connect(options(&database)).await.unwrap();
        let scene = Scene { store, entropy: SeededEntropy::new(1), database };
        populated::check(&PostgresHarness::on(scene), version(&fixture)).await;
    }
}

#[tokio::test]
async fn a_migration_of_a_fixture_is_never_edited() {
    for fixture in fixtures() {
        let database = load(&fixture).await;
        let applied: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT version, checksum FROM rdev_webhooks._migrations ORDER BY version")
                .fetch_all(&mut database.connect().await)
                .await
                .unwrap();
        assert!(!applied.is_empty(), "{}", fixture.display());
        for (version, checksum) in applied {
            let file = MIGRATIONS.iter().find(|migration| migration.version == version);
            let file = file.expect("the file of an applied migration is there");
            assert_eq!(*file.checksum, *checksum, "migration {version} was edited: add another one instead");
        }
    }
}

#[tokio::test]
#[ignore = "writes the fixture of the newest migration: see CONTRIBUTING.md"]
async fn write_the_fixture() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let name = scene.database.name().to_owned();
    let harness = PostgresHarness::on(scene);
    populated::populate(&harness).await;
    let dump = server.dump_schema(&name, "rdev_webhooks").await;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap();
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(format!("{newest}.sql")), dump).unwrap();
    drop(harness);
}
