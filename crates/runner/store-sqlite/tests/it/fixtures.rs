//! Migration of populated databases, kept as SQL in `tests/fixtures/VERSION.sql`, where `VERSION` is their
//! newest migration. A fixture has the runner's tables alone; the webhooks' are those of today.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rdev_runner_testkit::stores::populated;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, SqlitePool};
use tempfile::TempDir;

use crate::harness::{SqliteHarness, new_pool, path_in};

static MIGRATIONS: Migrator = sqlx::migrate!();

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Returns the statements of the fixtures, the oldest first.
fn fixtures() -> Vec<String> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is a fixture");
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn never_edited(applied: &[(i64, Vec<u8>)]) {
    assert!(!applied.is_empty());
    for (version, checksum) in applied {
        let file = MIGRATIONS.iter().find(|migration| migration.version == *version);
        let file = file.unwrap_or_else(|| panic!("the file of migration {version} was removed"));
        assert_eq!(*file.checksum, **checksum, "migration {version} was edited: add another one instead");
    }
}

fn write(statements: impl AsRef<[u8]>) {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap();
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(format!("{newest}.sql")), statements).unwrap();
}

/// Creates the database of a fixture in a new folder.
async fn load(statements: String) -> (SqlitePool, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let pool = new_pool(&folder).await;
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&pool).await.unwrap();
    (pool, folder)
}

#[tokio::test]
async fn a_populated_database_is_migrated_and_read() {
    for fixture in fixtures() {
        let (pool, folder) = load(fixture).await;
        let version =
            sqlx::query_scalar("SELECT max(version) FROM runner_migrations").fetch_one(&pool).await.unwrap();
        pool.close().await;
        let harness = SqliteHarness::open_in(folder).await;
        // Before 190500 they are in the result alone.
        let usage: Vec<(i64, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_nanos
             FROM runner_commands WHERE status = 'completed'",
        )
        .fetch_all(&harness.pool)
        .await
        .unwrap();
        assert_eq!(usage, [(1, 2, 3, 4, 1_234_567_891)]);
        populated::check(&harness, version).await;
    }
}

#[tokio::test]
async fn a_migration_of_a_fixture_is_never_edited() {
    for fixture in fixtures() {
        let (pool, _folder) = load(fixture).await;
        let select = "SELECT version, checksum FROM runner_migrations ORDER BY version";
        never_edited(&sqlx::query_as(select).fetch_all(&pool).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "writes the fixture of the newest migration: see CONTRIBUTING.md"]
async fn write_the_fixture() {
    let harness = SqliteHarness::new().await;
    populated::populate(&harness).await;
    let dumped =
        Command::new("sqlite3").arg(path_in(&harness.folder)).arg(".dump runner_%").output().unwrap();
    assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
    write(dumped.stdout);
}
