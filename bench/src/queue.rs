//! Benchmarks of the stores alone, through the ports: whether a webhook's backlog delays another webhook, and
//! whether retries due in the future cost anything now. Each benchmark alternates between a store with the
//! load and one without, so that other work of the machine affects both.

mod backlog;
mod batches;
mod retries;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rdev_app::SystemClock;
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore, migrate};
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};
use rdev_webhooks_testkit::postgres::TestDatabase;
use sqlx::Executor;

use crate::database::Database;
use crate::report::Report;
use crate::{Outcome, say};
use store::Store;

const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A backlog of 20,000 and 100,000 retries on Postgres too, and fewer rounds
    #[arg(long)]
    quick: bool,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/queue.json")]
    json: PathBuf,
}

/// The sizes of a benchmark.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    backlog: usize,
    retries: usize,
    rounds: usize,
}

pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let rounds = if options.quick { 3 } else { 5 };
    let small = Sizes { backlog: 20_000, retries: 100_000, rounds };
    let full = if options.quick { small } else { Sizes { backlog: 200_000, retries: 1_000_000, rounds } };

    say("starting Postgres");
    let mut database = Database::start().await?;
    let mut report = Report::new(SystemClock.now(), &database.description);
    report.machine()?;
    {
        let databases = [new_database(&database).await, new_database(&database).await];
        let plain = postgres(&databases[0]).await?;
        let loaded = postgres(&databases[1]).await?;
        backlog::fill(&plain, &loaded, full).await?;
        settle_down(&mut database, &databases).await?;
        backlog::measure(&mut report, "postgres", &plain, &loaded, full).await?;
    }
    {
        let databases = [new_database(&database).await, new_database(&database).await];
        let plain = postgres(&databases[0]).await?;
        let loaded = postgres(&databases[1]).await?;
        retries::fill(&plain, &loaded, full).await?;
        settle_down(&mut database, &databases).await?;
        retries::measure(&mut report, "postgres", &plain, &loaded, full).await?;
    }
    {
        let database_of_its_own = new_database(&database).await;
        let store = postgres(&database_of_its_own).await?;
        batches::measure(&mut report, &mut database, &store, full).await?;
    }
    drop(database);

    let folder = tempfile::Builder::new().prefix("rdev-bench-").tempdir()?;
    {
        let plain = sqlite(folder.path().join("a.db")).await?;
        let loaded = sqlite(folder.path().join("b.db")).await?;
        backlog::fill(&plain, &loaded, small).await?;
        backlog::measure(&mut report, "sqlite", &plain, &loaded, small).await?;
    }
    {
        let plain = sqlite(folder.path().join("c.db")).await?;
        let loaded = sqlite(folder.path().join("d.db")).await?;
        retries::fill(&plain, &loaded, small).await?;
        retries::measure(&mut report, "sqlite", &plain, &loaded, small).await?;
    }
    report.finish(&options.json)
}

async fn new_database(database: &Database) -> TestDatabase {
    database.server.database(|url| async move { migrate(&url).await }).await
}

/// Does the maintenance that the server would otherwise do in the middle of a measurement.
async fn settle_down(server: &mut Database, databases: &[TestDatabase]) -> Outcome<()> {
    for database in databases {
        let mut conn = database.connect().await;
        tokio::time::timeout(Duration::from_secs(300), conn.execute("VACUUM")).await??;
    }
    server.checkpoint().await
}

async fn postgres(database: &TestDatabase) -> Outcome<Store> {
    let keyring: Keyring = ENCRYPTION_KEY.parse()?;
    let options = PostgresOptions { wake_others: false, ..PostgresOptions::new(database.url(), keyring) };
    let store = Arc::new(PostgresStore::connect(options).await?);
    Ok(Store { events: store.clone(), queue: store.clone(), webhooks: store, entropy: Store::entropy() })
}

async fn sqlite(path: PathBuf) -> Outcome<Store> {
    let keyring: Arc<Keyring> = Arc::new(ENCRYPTION_KEY.parse()?);
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(path, keyring, Arc::new(SystemClock))).await?);
    Ok(Store { events: store.clone(), queue: store.clone(), webhooks: store, entropy: Store::entropy() })
}
