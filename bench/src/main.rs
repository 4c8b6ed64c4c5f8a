//! The benchmarks of rdev webhooks. `just bench`, `just bench-isolation`, `just bench-queue` and `just bench-lists`
//! run them; docs/PERFORMANCE.md says what they measure and shows a run.

mod connection;
mod database;
mod isolation;
mod ledger;
mod lists;
mod process;
mod publisher;
mod queue;
mod receiver;
mod report;
mod stats;
mod system;
mod throughput;
mod usage;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// The reason why a benchmark could not finish.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Failure>;

/// The longest duration of a run.
const LONGEST_RUN: Duration = Duration::from_secs(60 * 60);

/// Benchmarks of rdev webhooks
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks-bench")]
struct Options {
    #[command(subcommand)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// The release binaries under load: rates, processor time, latency, a backlog
    Throughput(throughput::Options),
    /// Good endpoints beside bad ones, on the release binaries
    Isolation(isolation::Options),
    /// The stores alone: what a backlog and a million future retries cost a claim
    Queue(queue::Options),
    /// The stores alone: a page of each list with each filter, among two million deliveries
    Lists(lists::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let running = async {
        match options.which {
            Which::Throughput(options) => throughput::run(&options).await,
            Which::Isolation(options) => isolation::run(&options).await,
            Which::Queue(options) => queue::run(&options).await,
            Which::Lists(options) => lists::run(&options).await,
        }
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(LONGEST_RUN, running) => {
            ended.unwrap_or_else(|_| Err(format!("it took longer than {LONGEST_RUN:?}").into()))
        }
        // Dropping the processes and servers stops them; the default handling of an interrupt would skip
        // that.
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the current step.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "· {what}");
}
