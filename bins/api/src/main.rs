//! `rdev-webhooks-api`: the REST API on a database that it shares with workers.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use rdev_webhooks::http_api::ApiOptions;
use rdev_webhooks_options::{DatabaseArgs, SystemArgs, process};
use rdev_webhooks_runtime::options::{DrainArgs, TelemetryArgs, api_key, secret};
use rdev_webhooks_runtime::{Shutdown, cli, program};
use secrecy::SecretString;

/// Small blocks come and go by the dozen for each delivery, often freed by another thread than took them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The rdev webhooks API, for deployment next to rdev-webhooks-worker
///
/// The database must have been prepared with `rdev-webhooks migrate`. Every option can be given by its
/// environment variable instead.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks-api", version)]
struct Options {
    #[command(flatten)]
    database: DatabaseArgs,

    /// The address that the API listens on
    #[arg(long, env = "RDEV_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    bind: SocketAddr,

    /// The administrator's API key: 32 characters or more
    #[arg(long, env = "RDEV_API_KEY", value_name = "KEY", hide_env_values = true,
          value_parser = secret(api_key))]
    api_key: SecretString,

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
    program::run(async { process::exit_code(serve(options).await) })
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::install(options.drain.drain_timeout)?;
    let metrics = process::metrics()?;
    options.database.warn_if_alone("nothing is delivered");
    let DatabaseArgs { database_url, encryption_key } = options.database;
    let system = options.system.builder(database_url, encryption_key).open().await?;
    let listener = process::listen(options.bind, "--bind").await?;
    let router = system.router(ApiOptions {
        metrics: Some(process::source(&metrics)),
        ..ApiOptions::new(options.api_key, system.ambient().entropy.clone())
    });
    // A closed standard output is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "rdev-webhooks-api listens on http://{}", listener.local_addr()?);
    process::run(system, listener, router, metrics, &shutdown).await
}
