//! Migration of populated databases, kept as SQL in `tests/fixtures/VERSION.sql`, where `VERSION` is their
//! newest migration.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdev_webhooks_domain::ports::DeliveryQueue;
use rdev_webhooks_testkit::contract::populated;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::harness::SqliteHarness;

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

/// Creates the database of a fixture at a path that does not exist.
async fn load(fixture: &Path, path: &Path) -> SqliteConnection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let statements = fs::read_to_string(fixture).unwrap();
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut conn).await.unwrap();
    conn
}

#[tokio::test]
async fn a_populated_database_is_migrated_and_read() {
    for fixture in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        load(&fixture, &SqliteHarness::path_in(folder.path())).await.close().await.unwrap();
        let harness = SqliteHarness::open_in(folder, Duration::from_secs(2 * 24 * 60 * 60)).await;
        populated::check(&harness, version(&fixture)).await;
        harness.store.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_migration_of_a_fixture_is_never_edited() {
    for fixture in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = load(&fixture, &SqliteHarness::path_in(folder.path())).await;
        let applied: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT version, checksum FROM webhooks_migrations ORDER BY version")
                .fetch_all(&mut conn)
                .await
                .unwrap();
        assert!(!applied.is_empty(), "{}", fixture.display());
        for (version, checksum) in applied {
            let file = MIGRATIONS.iter().find(|migration| migration.version == version);
            let file = file.unwrap_or_else(|| panic!("the file of migration {version} was removed"));
            assert_eq!(*file.checksum, *checksum, "migration {version} was edited: add another one instead");
        }
    }
}

#[tokio::test]
#[ignore = "writes the fixture of the newest migration: see CONTRIBUTING.md"]
async fn write_the_fixture() {
    let harness = SqliteHarness::new().await;
    populated::populate(&harness).await;
    harness.store.close().await.unwrap();
    let dumped = Command::new("sqlite3").arg(harness.path()).arg(".dump").output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap();
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(format!("{newest}.sql")), dumped.stdout).unwrap();
}
