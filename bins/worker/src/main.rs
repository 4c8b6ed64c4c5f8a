//! `rdev-webhooks-worker`: sends due deliveries from a database that it shares with other processes.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rdev_process::options::{DrainArgs, TelemetryArgs, bind_address};
use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Database;
use rdev_webhooks::http_api::ServeOptions;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_options::{
    DatabaseUrlArgs, EncryptionKeyArgs, HealthcheckArgs, SystemArgs, WorkerArgs, process,
};

/// Each delivery allocates dozens of small blocks, often freed by another thread than allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The rdev webhooks delivery worker, for deployment alongside rdev-webhooks-api
///
/// Any number of workers can share one database, on any number of machines. Prepare the database with
/// `rdev-webhooks migrate` first. Every option can also be set by its environment variable.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks-worker", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check whether the worker on this machine is ready: exits with 0 if so, else with 1
    Healthcheck {
        #[command(flatten)]
        admin: AdminArgs,
        #[command(flatten)]
        check: HealthcheckArgs,
    },
}

#[derive(Debug, Args)]
struct WorkArgs {
    #[command(flatten)]
    database_url: DatabaseUrlArgs,
    #[command(flatten)]
    encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    admin: AdminArgs,
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    drain: DrainArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[derive(Debug, Args)]
struct AdminArgs {
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "RDEV_ADMIN_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:9090",
          value_parser = bind_address)]
    admin_bind: SocketAddr,
}

fn main() -> ExitCode {
    let cli: Cli = cli::parse_or_exit();
    match cli.command {
        Some(Command::Healthcheck { admin, check }) => check.run(admin.admin_bind),
        None => run(cli.work),
    }
}

fn run(options: WorkArgs) -> ExitCode {
    options.telemetry.init();
    let database = options.database_url.clone().required();
    match database.and_then(|database| Ok((database, options.encryption_key.clone().required()?))) {
        Ok((database, keyring)) => {
            program::run(async { process::exit_code(work(options, database, keyring).await) })
        }
        Err(message) => cli::fail(message),
    }
}

async fn work(options: WorkArgs, database: Database, keyring: Keyring) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::install(options.drain.stop_times())?;
    let metrics = process::metrics()?;
    process::warn_if_alone(&database, "no events are accepted");
    let started =
        process::Started::new("rdev-webhooks-worker", &database, &keyring, &options.system.allow_destination);
    let listener = process::listen(options.admin.admin_bind, "--admin-bind").await?;
    let builder = options.system.builder(database, keyring);
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    options.worker.start(&system);
    let router = system.health_router(Some(process::source(&metrics)));
    let address = listener.local_addr()?;
    started.log(&system, address).await;
    cli::print(
        std::io::stdout(),
        format!("rdev-webhooks-worker serves health and metrics on http://{address}\n"),
    );
    let serving = (process::Role::Admin, ServeOptions::default());
    process::run(system, listener, router, serving, metrics, &shutdown).await
}
