//! Benchmark of the lists: how long a page takes, with each filter, among millions of deliveries.

mod fill;
mod searches;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rdev_app::SystemClock;
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::{
    Clock, DeliveryHistory, DeliveryQueue, EventRepository, WebhookRepository,
};
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore, migrate};
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::Executor;

use crate::database::Database;
use crate::report::Report;
use crate::{Outcome, say};

const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The target for a page.
const LONGEST_PAGE: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 200,000 deliveries
    #[arg(long)]
    quick: bool,
    /// Only this database: postgres or sqlite
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/lists.json")]
    json: PathBuf,
}

/// A store, by its ports.
struct Ports {
    events: Arc<dyn EventRepository>,
    queue: Arc<dyn DeliveryQueue>,
    webhooks: Arc<dyn WebhookRepository>,
    history: Arc<dyn DeliveryHistory>,
}

pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let deliveries = if options.quick { 200_000 } else { 2_000_000 };
    let is_wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    say("starting Postgres");
    let mut server = Database::start().await?;
    let mut report = Report::new(SystemClock.now(), &server.description);
    report.machine()?;
    let mut missed = 0;
    if is_wanted("postgres") {
        let database = server.server.database(|url| async move { migrate(&url).await }).await;
        let mut conn = database.connect().await;
        // The ids of the events are spread over these days.
        conn.execute("SELECT rdev_webhooks.ensure_partitions(30)").await?;
        let keyring: Keyring = ENCRYPTION_KEY.parse()?;
        let options = PostgresOptions { wake_others: false, ..PostgresOptions::new(database.url(), keyring) };
        let store = Arc::new(PostgresStore::connect(options).await?);
        let ports =
            Ports { events: store.clone(), queue: store.clone(), webhooks: store.clone(), history: store };
        let filled = fill::fill(&ports, deliveries).await?;
        // The maintenance that the server would otherwise do in the middle of a measurement.
        conn.execute("VACUUM ANALYZE").await?;
        server.checkpoint().await?;
        missed += searches::measure(&mut report, "postgres", &ports, &filled).await?;
    }
    if is_wanted("sqlite") {
        let folder = tempfile::Builder::new().prefix("rdev-bench-").tempdir()?;
        let keyring: Arc<Keyring> = Arc::new(ENCRYPTION_KEY.parse()?);
        let options = SqliteOptions::new(folder.path().join("lists.db"), keyring, Arc::new(SystemClock));
        let store = Arc::new(SqliteStore::open(options).await?);
        let ports =
            Ports { events: store.clone(), queue: store.clone(), webhooks: store.clone(), history: store };
        let filled = fill::fill(&ports, deliveries).await?;
        missed += searches::measure(&mut report, "sqlite", &ports, &filled).await?;
    }
    report.finish(&options.json)?;
    match missed {
        0 => Ok(()),
        missed => Err(format!("{missed} pages took longer than {LONGEST_PAGE:?}").into()),
    }
}
