//! The release binaries under load, one phase after the other on one machine, in one run.

mod backlog;
mod cpu;
mod deliver;
mod embedded;
mod latency;
mod limit;
mod memory;
mod publish;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rdev_webhooks_app::SystemClock;
use rdev_webhooks_domain::ports::Clock;

use crate::database::Database;
use crate::ledger::Ledger;
use crate::publisher::Publisher;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::system::{API_KEY, Deployment, MANY, TO_MANY, TO_ONE, subscribe};
use crate::{Outcome, say};

/// Places in the ledger for each second of a phase, at the rates that this machine could ever reach.
const PLACES_PER_SECOND: u64 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Shorter phases and a backlog of 50,000
    #[arg(long)]
    quick: bool,
    /// Deliveries that wait when the worker begins to drain them [default: 500000; with --quick 50000]
    #[arg(long, value_name = "N")]
    backlog: Option<u64>,
    /// How long each phase publishes [default: 10; with --quick 4]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Connections that publish, one event per request
    #[arg(long, value_name = "N", default_value_t = 16)]
    connections: usize,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/throughput.json")]
    json: PathBuf,
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 4 } else { 10 }))
    }

    fn backlog(&self) -> u64 {
        self.backlog.unwrap_or(if self.quick { 50_000 } else { 500_000 })
    }

    /// How long everything that was published may take to arrive.
    fn patience(&self) -> Duration {
        self.duration() * 6 + Duration::from_secs(60 + self.backlog() / 1_000)
    }
}

/// What all phases work with.
struct Bench<'a> {
    options: &'a Options,
    ledger: Arc<Ledger>,
    database: Database,
    deployment: Deployment,
}

impl Bench<'_> {
    /// What publishes events to one webhook, or to all of the ten.
    fn publisher(&self, fan_out: usize) -> Publisher {
        Publisher {
            address: self.deployment.address,
            key: API_KEY.to_owned(),
            event_type: if fan_out == 1 { TO_ONE } else { TO_MANY },
            fan_out,
            ledger: Arc::clone(&self.ledger),
        }
    }
}

pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let places = 10 * options.duration().as_secs() * PLACES_PER_SECOND + options.backlog() + 1_000_000;
    let ledger = Ledger::new(usize::try_from(places)?);
    let receiver = Receiver::start(Arc::clone(&ledger)).await?;

    say("the limit: a bare client to the bare receiver");
    let limit = limit::measure(options.duration() / 4).await?;

    say("starting Postgres and the api");
    let database = Database::start().await?;
    let mut report = Report::new(SystemClock.now(), &database.description);
    report.machine()?;
    let deployment = Deployment::start(&database.server).await?;
    subscribe(deployment.address, receiver.address).await?;
    let mut bench = Bench { options, ledger, database, deployment };

    let published = publish::measure(&mut bench).await?;
    let one = deliver::measure(&mut bench, 1).await?;
    let many = deliver::measure(&mut bench, MANY).await?;
    let mut latencies = Vec::new();
    for rate in [50, 200, 1_000] {
        latencies.push(latency::measure(&mut bench, rate).await?);
    }
    let backlog = backlog::measure(&mut bench).await?;

    let Bench { ledger, deployment, database, .. } = bench;
    let (api, worker) = deployment.stop().await?;
    // Nothing of it is to disturb what follows.
    drop(database);
    say("the limit again");
    let again = limit::measure(options.duration() / 4).await?;

    let embedded = embedded::measure(options, &ledger, receiver.address).await?;

    let limits = limit::Limits { before: limit, after: again };
    summary::limit(&mut report, &limits);
    summary::published(&mut report, &published, &limits);
    summary::delivered(&mut report, &one, &limits);
    summary::delivered(&mut report, &many, &limits);
    summary::latencies(&mut report, &latencies);
    summary::backlog(&mut report, &backlog);
    summary::memory(&mut report, &memory::Memory { api, worker, embedded: embedded.memory_mib });
    summary::embedded(&mut report, &embedded, &limits, &one);
    summary::books(&mut report, &ledger);
    report.finish(&options.json)?;

    let (duplicates, strangers) = ledger.surplus();
    if duplicates + strangers > 0 {
        return Err(format!("{duplicates} duplicates and {strangers} strange requests").into());
    }
    Ok(())
}
