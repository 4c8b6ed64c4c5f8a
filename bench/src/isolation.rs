//! Isolation: the latency of events to good endpoints, on the release binaries with their default pool, while
//! other endpoints never respond, drip, flood or disconnect, or come in crowds.

mod crowd;
mod endpoints;
mod fan_out;
mod names;
mod readers;
mod system;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rdev_app::SystemClock;
use rdev_webhooks_domain::ports::Clock;
use serde_json::{Value, json};

use self::crowd::Crowd;
use self::system::Kind;
use crate::database::Database;
use crate::report::{Report, grouped, ms};
use crate::stats::percentile;
use crate::{Outcome, say};

/// The type of the events that the good endpoints subscribe to.
const GOOD_EVENT: &str = "command.failed";

const GOOD: usize = 6;

/// The publisher's connections, enough that no event waits for one.
const CONNECTIONS: usize = 64;

/// The longest time for published events to arrive at the good endpoints: less than the deadline of an
/// attempt, so that no event has waited for an attempt at a bad endpoint.
const PATIENCE: Duration = Duration::from_secs(10);

/// The aim for the good endpoints' p99 beside any crowd.
const AIM_US: u32 = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 8 s for each run instead of 30 s
    #[arg(long)]
    quick: bool,
    /// Only the runs with that in their name, like "silent" or "SQLite"
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where the results go as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench/isolation.json")]
    json: PathBuf,
    /// Makes the run with dead names, in the namespaces that this process was started in for it
    #[arg(long, hide = true)]
    in_namespace: bool,
}

/// The result of a run for the good endpoints.
struct Found {
    p50_us: u32,
    p99_us: u32,
    max_us: u32,
    /// The p99 of the events of the first second.
    first_second_p99_us: u32,
    deliveries: usize,
    memory_mib: f64,
    /// The crowd's activity meanwhile.
    note: String,
}

impl Found {
    /// Summarizes the sorted latencies of all events, and of those of the first second.
    fn new(latencies_us: &[u32], first_second_us: &[u32], memory_mib: f64, note: String) -> Self {
        Self {
            p50_us: percentile(latencies_us, 50.0),
            p99_us: percentile(latencies_us, 99.0),
            max_us: percentile(latencies_us, 100.0),
            first_second_p99_us: percentile(first_second_us, 99.0),
            deliveries: latencies_us.len(),
            memory_mib,
            note,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "p50_us": self.p50_us, "p99_us": self.p99_us, "max_us": self.max_us,
            "first_second_p99_us": self.first_second_p99_us, "deliveries": self.deliveries,
            "memory_mib": self.memory_mib, "note": self.note,
        })
    }

    fn from_json(found: &Value) -> Option<Self> {
        let us = |name: &str| u32::try_from(found[name].as_u64()?).ok();
        Some(Self {
            p50_us: us("p50_us")?,
            p99_us: us("p99_us")?,
            max_us: us("max_us")?,
            first_second_p99_us: us("first_second_p99_us")?,
            deliveries: usize::try_from(found["deliveries"].as_u64()?).ok()?,
            memory_mib: found["memory_mib"].as_f64()?,
            note: found["note"].as_str()?.to_owned(),
        })
    }
}

pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let duration = Duration::from_secs(if options.quick { 8 } else { 30 });
    if options.in_namespace {
        return names::run_in_namespace(duration, &options.json).await;
    }
    // The benchmark serves every endpoint, so it holds the connections of all crowds.
    rlimit::increase_nofile_limit(u64::MAX)?;
    say("starting Postgres");
    let database = Database::start().await?;
    let mut report = Report::new(SystemClock.now(), &database.description);
    report.machine()?;
    drop(database);

    report.heading(&format!("{GOOD} good endpoints: from sending an event until they have it"));
    let mut all = Vec::new();
    let mut missed = Vec::new();
    for bad in [0, 4, 50] {
        for rate in [30, 150] {
            let name = format!("{bad} bad ones, {rate} events/s");
            if name.contains(&options.only) {
                let found = endpoints::measure(bad, rate, duration).await?;
                all.push(row(&mut report, &name, &Ok(found)));
            }
        }
    }
    report.heading(&format!(
        "the same at {} events/s beside a crowd; aim: p99 under {}",
        crowd::RATE,
        ms(AIM_US)
    ));
    for crowd in Crowd::ALL {
        for kind in crowd.kinds() {
            let name = format!("{}, {}", crowd.name(), kind.name());
            if name.contains(&options.only) {
                let found = measure(*crowd, *kind, duration, options.quick).await;
                all.push(row(&mut report, &name, &found));
                missed.extend((!found.is_ok_and(|found| found.p99_us < AIM_US)).then_some(name));
            }
        }
    }
    report.json("isolation", Value::Array(all));
    report.finish(&options.json)?;
    if missed.is_empty() { Ok(()) } else { Err(format!("beside the aim: {}", missed.join("; ")).into()) }
}

/// Makes one run beside a crowd. A failed run becomes a row like the others.
async fn measure(crowd: Crowd, kind: Kind, duration: Duration, quick: bool) -> Outcome<Found> {
    say(&format!("{}, {}", crowd.name(), kind.name()));
    match crowd {
        Crowd::DeadNames => names::measure(quick).await,
        _ => crowd::measure(crowd, kind, duration).await,
    }
}

/// Adds a run's result to the table, and returns it as JSON.
fn row(report: &mut Report, name: &str, found: &Outcome<Found>) -> Value {
    let mut all = json!({ "name": name });
    match found {
        Ok(found) => {
            let note = format!(
                "first second {}, p50 {}, worst {}; {} deliveries, none lost; {:.0} MiB{}",
                ms(found.first_second_p99_us),
                ms(found.p50_us),
                ms(found.max_us),
                grouped(found.deliveries as f64),
                found.memory_mib,
                found.note
            );
            report.row(name, &format!("p99 {}", ms(found.p99_us)), &note);
            if let (Value::Object(all), Value::Object(found)) = (&mut all, found.to_json()) {
                all.extend(found);
            }
        }
        Err(failure) => {
            report.row(name, "failed", &failure.to_string());
            all["failure"] = Value::from(failure.to_string());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_survives_its_conversion_to_json() {
        let found = Found::new(&[1, 2, 3], &[1], 12.5, "; noted".to_owned());
        let read = Found::from_json(&found.to_json()).unwrap();
        assert_eq!(read.to_json(), found.to_json());
        assert!(Found::from_json(&json!({ "p50_us": 1 })).is_none());
    }
}
