//! `rdev-webhooks-api`: the REST API on a database that it shares with workers.

use std::error::Error;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rdev_process::options::{DrainArgs, TelemetryArgs};
use rdev_process::{Shutdown, cli, program};
use rdev_webhooks::Database;
use rdev_webhooks::console::ConsoleOptions;
use rdev_webhooks::http_api::ApiOptions;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_options::{
    ApiKeyArgs, BindArgs, ConsoleArgs, DatabaseUrlArgs, EncryptionKeyArgs, HealthcheckArgs, ServerArgs,
    SystemArgs, process,
};
use secrecy::SecretString;

/// Each delivery allocates dozens of small blocks, often freed by another thread than allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The rdev webhooks API, for deployment alongside rdev-webhooks-worker
///
/// Prepare the database with `rdev-webhooks migrate` first. Every option can also be set by its environment variable.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks-api", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check whether the API on this machine is ready: exits with 0 if so, else with 1
    Healthcheck {
        #[command(flatten)]
        bind: BindArgs,
        #[command(flatten)]
        check: HealthcheckArgs,
    },
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    database_url: DatabaseUrlArgs,
    #[command(flatten)]
    encryption_key: EncryptionKeyArgs,
    #[command(flatten)]
    bind: BindArgs,
    #[command(flatten)]
    api_key: ApiKeyArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    console: ConsoleArgs,
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    drain: DrainArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// The options that the API requires.
struct Required {
    database: Database,
    keyring: Keyring,
    api_key: SecretString,
}

fn main() -> ExitCode {
    let cli: Cli = cli::parse_or_exit();
    match cli.command {
        Some(Command::Healthcheck { bind, check }) => check.run(bind.bind),
        None => run(cli.serve),
    }
}

fn run(options: ServeArgs) -> ExitCode {
    options.telemetry.init();
    match required(&options) {
        Ok(required) => program::run(async { process::exit_code(serve(options, required).await) }),
        Err(message) => cli::fail(message),
    }
}

fn required(options: &ServeArgs) -> Result<Required, String> {
    Ok(Required {
        database: options.database_url.clone().required()?,
        keyring: options.encryption_key.clone().required()?,
        api_key: options.api_key.clone().required()?,
    })
}

async fn serve(options: ServeArgs, required: Required) -> Result<(), Box<dyn Error>> {
    let Required { database, keyring, api_key } = required;
    let shutdown = Shutdown::install(options.drain.stop_times())?;
    let metrics = process::metrics()?;
    process::warn_if_alone(&database, "nothing is delivered");
    let started =
        process::Started::new("rdev-webhooks-api", &database, &keyring, &options.system.allow_destination);
    let listener = process::listen(options.bind.bind, "--bind").await?;
    let builder = options.system.builder(database, keyring);
    let Some((system, listener)) = process::open(builder, listener, &metrics, &shutdown).await? else {
        return Ok(());
    };
    let address = listener.local_addr()?;
    let api = system.router(ApiOptions::new(api_key.clone()).with_metrics(process::source(&metrics)));
    let router = options.console.mount(api, &system, ConsoleOptions::new(api_key), address);
    started.log(&system, address).await;
    cli::print(std::io::stdout(), format!("rdev-webhooks-api listens on http://{address}\n"));
    let serving = (process::Role::Api, options.server.to_options());
    process::run(system, listener, router, serving, metrics, &shutdown).await
}
