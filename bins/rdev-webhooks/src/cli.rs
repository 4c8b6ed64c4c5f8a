//! The options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use rdev_webhooks::Database;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_options::{SystemArgs, WorkerArgs};
use rdev_webhooks_runtime::options::{DrainArgs, TelemetryArgs, api_key, secret};
use secrecy::SecretString;

/// Webhooks that lose nothing: the API and the delivery worker in one process
///
/// Without a command it serves. Every option can be given by its environment variable instead.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the API and deliver, in this process (the default)
    Serve(Box<ServeArgs>),
    /// Bring a database's schema up to date; safe to run again, and while other processes serve
    Migrate(Box<MigrateArgs>),
    /// Encrypt everything anew with the first of the encryption keys, so that the others can be left out; safe
    /// to run again, and while processes serve
    Rekey(Box<RekeyArgs>),
    /// Print the description of the API: OpenAPI 3.1, as JSON
    Openapi,
    /// Watch a delivery fail twice, be retried and succeed, with its signature verified; takes 16 s
    Demo,
}

// Which database, where one can be made in the data dir.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The database, sqlite://PATH or postgres://… [default: sqlite://<data-dir>/rdev.db]
    #[arg(long, env = "RDEV_DATABASE_URL", value_name = "URL", hide_env_values = true,
          value_parser = secret(str::parse::<Database>))]
    pub(crate) database_url: Option<Database>,

    /// Where the embedded database and the generated keys live
    #[arg(long, env = "RDEV_DATA_DIR", value_name = "DIR", default_value = "./.rdev")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RekeyArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// The encryption keys, 32 bytes in base64 each: what is encrypted with any of them is encrypted anew with the
    /// first [default: those in <data-dir>/encryption-key]
    #[arg(long, env = "RDEV_ENCRYPTION_KEY", value_name = "NEW,OLD", hide_env_values = true,
          value_parser = secret(str::parse::<Keyring>))]
    pub(crate) encryption_key: Option<Keyring>,

    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,

    /// The address that the API listens on
    #[arg(long, env = "RDEV_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) bind: SocketAddr,

    /// The administrator's API key: 32 characters or more [default: made once, in <data-dir>/api-key]
    #[arg(long, env = "RDEV_API_KEY", value_name = "KEY", hide_env_values = true,
          value_parser = secret(api_key))]
    pub(crate) api_key: Option<SecretString>,

    /// What secrets are encrypted with at rest: 32 bytes in base64; in a comma-separated list the first
    /// encrypts and all decrypt [default: made once, in <data-dir>/encryption-key]
    #[arg(long, env = "RDEV_ENCRYPTION_KEY", value_name = "KEY[,KEY]…", hide_env_values = true,
          value_parser = secret(str::parse::<Keyring>))]
    pub(crate) encryption_key: Option<Keyring>,

    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}
