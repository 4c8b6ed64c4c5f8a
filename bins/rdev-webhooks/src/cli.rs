//! The options.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rdev_webhooks::Database;
use rdev_webhooks::domain::Cidr;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks_runtime::options::{DrainArgs, TelemetryArgs, api_key, positive_duration, secret};
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
    /// Watch a delivery fail twice, be retried and succeed, with its signature verified; takes 16 s
    Demo,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The database [default: sqlite://<data-dir>/rdev.db]
    #[arg(long, env = "RDEV_DATABASE_URL", value_name = "URL", hide_env_values = true,
          value_parser = secret(str::parse::<Database>))]
    pub(crate) database_url: Option<Database>,

    /// Where the embedded database and the generated keys live
    #[arg(long, env = "RDEV_DATA_DIR", value_name = "DIR", default_value = "./.rdev")]
    pub(crate) data_dir: PathBuf,

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

    /// Workers in the pool
    #[arg(long, env = "RDEV_WORKERS", value_name = "N", default_value = "10", value_parser = pool_size)]
    pub(crate) workers: NonZeroUsize,

    /// Deliveries that one worker of the pool may have in flight
    #[arg(long, env = "RDEV_MAX_IN_FLIGHT", value_name = "N", default_value = "32", value_parser = pool_size)]
    pub(crate) max_in_flight: NonZeroUsize,

    /// Deliveries that one webhook may have in flight in the whole pool
    #[arg(long, env = "RDEV_MAX_IN_FLIGHT_PER_WEBHOOK", value_name = "N", default_value = "32")]
    pub(crate) max_in_flight_per_webhook: NonZeroU32,

    /// The deadline of one attempt, from the name look-up to the last byte of the answer
    #[arg(long, env = "RDEV_DELIVERY_TIMEOUT", value_name = "DURATION", default_value = "15s",
          value_parser = delivery_timeout)]
    pub(crate) delivery_timeout: Duration,

    /// A network that deliveries may reach though it is not public, like 10.1.0.0/16; may be repeated
    /// [default: 127.0.0.0/8 and ::1 while --bind is a loopback address, else none]
    #[arg(long, env = "RDEV_ALLOW_DESTINATION", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) allow_destination: Vec<Cidr>,

    /// How long events, deliveries and attempts are kept
    #[arg(long, env = "RDEV_RETENTION", value_name = "DURATION", default_value = "30d",
          value_parser = positive_duration)]
    pub(crate) retention: Duration,

    #[command(flatten)]
    pub(crate) drain: DrainArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

/// The slots of the pool, and what waits in memory, grow with it.
fn pool_size(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(size) if size.get() <= 1_024 => Ok(size),
        _ => Err("must be a number from 1 to 1024".to_owned()),
    }
}

/// A lease lasts as long as this and a little more: what its worker does not finish stays untouched for
/// that time.
fn delivery_timeout(text: &str) -> Result<Duration, String> {
    let timeout = positive_duration(text)?;
    if timeout > Duration::from_secs(10 * 60) {
        return Err("must be at most 10m".to_owned());
    }
    Ok(timeout)
}
