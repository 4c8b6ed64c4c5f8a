//! `rdev-webhooks-worker`: delivers what is due on a database that it shares with others.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use rdev_webhooks_options::{DatabaseArgs, SystemArgs, WorkerArgs, process};
use rdev_webhooks_runtime::options::{DrainArgs, TelemetryArgs};
use rdev_webhooks_runtime::{Shutdown, cli, program};

/// Small blocks come and go by the dozen for each delivery, often freed by another thread than took them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The rdev webhooks delivery worker, for deployment next to rdev-webhooks-api
///
/// Any number of them share one database, on any number of machines. The database must have been prepared
/// with `rdev-webhooks migrate`. Every option can be given by its environment variable instead.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks-worker", version)]
struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// The address of /healthz, /readyz and /metrics
    #[arg(long, env = "RDEV_ADMIN_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin_bind: SocketAddr,

    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    drain: DrainArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

fn main() -> ExitCode {
    let options: Options = cli::parse_or_exit();
    options.telemetry.init();
    program::run(async { process::exit_code(work(options).await) })
}

async fn work(options: Options) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::install(options.drain.drain_timeout)?;
    let metrics = process::metrics()?;
    options.database.warn_if_alone("no events are taken");
    let DatabaseArgs { database_url, encryption_key } = options.database;
    let system = options.system.builder(database_url, encryption_key).open().await?;
    let listener = process::listen(options.admin_bind, "--admin-bind").await?;
    system.start_worker(options.worker.to_options());
    let router = system.health_router(Some(process::source(&metrics)));
    // A closed standard output is no reason not to work.
    let _ =
        writeln!(std::io::stdout(), "rdev-webhooks-worker works; admin on http://{}", listener.local_addr()?);
    process::run(system, listener, router, metrics, &shutdown).await
}
