//! Benchmarks of the release binaries under load: one run on one machine, one phase after the other.

mod backlog;
mod cpu;
mod deliver;
mod embedded;
mod latency;
mod limit;
mod memory;
mod publish;
mod publish_in;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rdev_app::SystemClock;
use rdev_webhooks_domain::ports::Clock;

use crate::database::Database;
use crate::ledger::Ledger;
use crate::publisher::Publisher;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::system::{
    API_KEY, CROWD, Deployment, MANY, TO_CROWD, TO_MANY, TO_ONE, subscribe, subscribe_crowd,
};
use crate::{Outcome, say};

/// Places in the ledger per second of a phase, more than this machine could ever use.
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
    /// Leave out all phases but these
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    only: Vec<Phase>,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/throughput.json")]
    json: PathBuf,
}

/// A part of the run that can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    Publish,
    PublishIn,
    FanOut1,
    FanOut10,
    FanOut1000,
    Connections,
    Latency,
    Backlog,
    Sqlite,
}

impl Options {
    fn wants(&self, phase: Phase) -> bool {
        self.only.is_empty() || self.only.contains(&phase)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 4 } else { 10 }))
    }

    fn backlog(&self) -> u64 {
        self.backlog.unwrap_or(if self.quick { 50_000 } else { 500_000 })
    }

    /// Returns the longest time for all published deliveries to arrive.
    fn patience(&self) -> Duration {
        self.duration() * 6 + Duration::from_secs(60 + self.backlog() / 1_000)
    }
}

/// The parts that all phases share.
struct Bench<'a> {
    options: &'a Options,
    ledger: Arc<Ledger>,
    database: Database,
    deployment: Deployment,
}

impl Bench<'_> {
    /// Returns a publisher of events to one webhook, to ten, or to a crowd.
    fn publisher(&self, fan_out: usize) -> Publisher {
        Publisher {
            address: self.deployment.address,
            key: API_KEY.to_owned(),
            event_type: match fan_out {
                1 => TO_ONE,
                MANY => TO_MANY,
                _ => TO_CROWD,
            },
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

    let mut published = None;
    if options.wants(Phase::Publish) {
        published = Some(publish::measure(&mut bench).await?);
    }
    let mut published_in = None;
    if options.wants(Phase::PublishIn) {
        published_in = Some(publish_in::measure(&mut bench).await?);
    }
    bench.deployment.start_worker().await?;
    bench.ledger.all_arrived(options.patience()).await?;
    bench.database.checkpoint().await?;
    let mut delivered = Vec::new();
    let connections = options.connections;
    let mut rates = vec![(Phase::FanOut1, 1, connections), (Phase::FanOut10, MANY, connections)];
    rates.extend([64, 256].map(|connections| (Phase::Connections, 1, connections)));
    for (phase, fan_out, connections) in rates {
        if options.wants(phase) {
            delivered.push(deliver::measure(&mut bench, fan_out, connections).await?);
        }
    }
    if options.wants(Phase::FanOut1000) {
        subscribe_crowd(bench.deployment.address, receiver.address).await?;
        delivered.push(deliver::measure(&mut bench, CROWD, connections).await?);
    }
    let mut latencies = Vec::new();
    if options.wants(Phase::Latency) {
        for rate in [50, 200, 1_000] {
            latencies.push(latency::measure(&mut bench, rate).await?);
        }
    }
    let mut backlog = None;
    if options.wants(Phase::Backlog) {
        backlog = Some(backlog::measure(&mut bench).await?);
    }

    let Bench { ledger, deployment, database, .. } = bench;
    let (api, worker) = deployment.stop().await?;
    // The database must not disturb the following phases.
    drop(database);
    say("the limit again");
    let again = limit::measure(options.duration() / 4).await?;

    let mut embedded = None;
    if options.wants(Phase::Sqlite) {
        embedded = Some(embedded::measure(options, &ledger, receiver.address).await?);
    }

    let limits = limit::Limits { before: limit, after: again };
    summary::limit(&mut report, &limits);
    if let Some(published) = &published {
        summary::published(&mut report, published, &limits);
    }
    if let Some(published_in) = published_in {
        summary::published_in(&mut report, &published_in, published.as_ref());
    }
    for rate in &delivered {
        summary::delivered(&mut report, rate, &limits);
    }
    if !latencies.is_empty() {
        summary::latencies(&mut report, &latencies);
    }
    if let Some(backlog) = backlog {
        summary::backlog(&mut report, &backlog);
    }
    let all_in_one = embedded.as_ref().map(|embedded| embedded.memory_mib);
    summary::memory(&mut report, &memory::Memory { api, worker, embedded: all_in_one });
    if let Some(embedded) = embedded {
        let postgres = delivered.iter().find(|rate| rate.fan_out == 1 && rate.connections == connections);
        summary::embedded(&mut report, &embedded, &limits, postgres);
    }
    summary::books(&mut report, &ledger);
    report.finish(&options.json)?;

    let (duplicates, strangers) = ledger.surplus();
    if duplicates + strangers > 0 {
        return Err(format!("{duplicates} duplicates and {strangers} strange requests").into());
    }
    Ok(())
}
