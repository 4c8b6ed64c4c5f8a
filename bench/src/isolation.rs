//! Good endpoints beside bad ones: how long the good ones wait for their events, on the release binaries
//! with their default pool, while others never answer, drip, flood or break off.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rdev_webhooks_app::SystemClock;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_testkit::{Hostile, Malice};
use serde_json::{Value, json};

use crate::database::Database;
use crate::ledger::Ledger;
use crate::publisher::Publisher;
use crate::receiver::Receiver;
use crate::report::{Report, grouped, ms};
use crate::stats::percentile;
use crate::system::{API_KEY, Deployment, subscribe_one, subscribe_url};
use crate::{Outcome, say};

/// The type of the events, which all endpoints subscribe to.
const TO_ALL: &str = "command.failed";

const GOOD: usize = 6;

/// Enough that no event waits for a connection.
const CONNECTIONS: usize = 64;

/// How long what was published may take to arrive at the good ones: less than the deadline of an attempt,
/// so that nobody has waited for a bad one's.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 8 s for each run instead of 30 s
    #[arg(long)]
    quick: bool,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/isolation.json")]
    json: PathBuf,
}

/// What one run is about.
#[derive(Debug, Clone, Copy)]
struct Run {
    bad: usize,
    /// Events a second, each to all endpoints.
    rate: u32,
    duration: Duration,
}

/// What it came to.
struct Found {
    events: u64,
    latencies_us: Vec<u32>,
    worker_mib: f64,
}

pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let duration = Duration::from_secs(if options.quick { 8 } else { 30 });
    say("starting Postgres");
    let database = Database::start().await?;
    let mut report = Report::new(SystemClock.now(), &database.description);
    report.machine()?;
    drop(database);

    report.heading(&format!("{GOOD} good endpoints: from sending an event until they have it"));
    let mut all = Vec::new();
    for bad in [0, 4, 50] {
        for rate in [30, 150] {
            let found = measure(Run { bad, rate, duration }).await?;
            let at = |hundredths| percentile(&found.latencies_us, hundredths);
            let note = format!(
                "p50 {}, worst {}; {} deliveries, none lost; worker {:.0} MiB",
                ms(at(50.0)),
                ms(at(100.0)),
                grouped(found.latencies_us.len() as f64),
                found.worker_mib
            );
            report.row(&format!("{bad} bad ones, {rate} events/s"), &format!("p99 {}", ms(at(99.0))), &note);
            all.push(json!({
                "bad": bad, "events_per_second": rate, "events": found.events,
                "p50_us": at(50.0), "p99_us": at(99.0), "max_us": at(100.0), "worker_mib": found.worker_mib,
            }));
        }
    }
    report.json("isolation", Value::Array(all));
    report.finish(&options.json)
}

/// One run on processes and a database of its own, so that no circuit is open from the run before.
async fn measure(run: Run) -> Outcome<Found> {
    say(&format!("{} bad endpoints, {} events a second for {:?}", run.bad, run.rate, run.duration));
    let database = Database::start().await?;
    let mut deployment = Deployment::start(&database.server).await?;
    deployment.start_worker().await?;
    let mut hostile = Vec::new();
    for malice in Malice::ALL.into_iter().cycle().take(run.bad) {
        let endpoint = Hostile::start(malice).await;
        subscribe_url(deployment.address, endpoint.url(), TO_ALL).await?;
        hostile.push(endpoint);
    }
    let places = 2 * GOOD * run.rate as usize * usize::try_from(run.duration.as_secs() + 1)?;
    let ledger = Ledger::new(places);
    let receiver = Receiver::start(ledger.clone()).await?;
    for number in 0..GOOD {
        subscribe_one(deployment.address, receiver.address, number, TO_ALL).await?;
    }
    let publisher = Publisher {
        address: deployment.address,
        key: API_KEY.to_owned(),
        event_type: TO_ALL,
        fan_out: GOOD,
        ledger: ledger.clone(),
    };
    let published = publisher.at_rate(CONNECTIONS, run.rate, run.duration).await?;
    ledger.all_arrived(PATIENCE).await?;
    let (latencies_us, missing) = ledger.latencies(0);
    let (duplicates, strangers) = ledger.surplus();
    if missing + usize::try_from(duplicates + strangers)? > 0 {
        return Err(format!("{missing} lost, {duplicates} twice, {strangers} strange").into());
    }
    let (_, worker_mib) = deployment.stop().await?;
    Ok(Found { events: published.events, latencies_us, worker_mib })
}
