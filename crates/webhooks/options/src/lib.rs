//! The options and the process lifecycle that all binaries share.
//!
//! Everything that does not concern webhooks (logging, shutdown, parsing of durations) is in
//! [`rdev_process`].

// The structs that binaries flatten have plain comments: clap would use a rustdoc comment as the description
// of the whole program.
#![expect(missing_docs, reason = "see above")]

pub mod banner;
mod console;
mod data_dir;
mod migrate;
mod place;
pub mod process;
mod rekey;
mod secrets;
mod serve;

use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rdev_process::healthcheck;
use rdev_process::options::{positive_duration, secret};
use rdev_process::program::max_open_files;
use rdev_webhooks::domain::{Cidr, DestinationPolicy};
use rdev_webhooks::http_api::ServeOptions;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{Builder, Database, ProxyUrl, RdevWebhooks, WorkerOptions};

pub use console::ConsoleArgs;
pub use data_dir::{DataDir, StoredKey};
pub use migrate::MigrateArgs;
pub use place::{BindArgs, PlaceArgs};
pub use rekey::RekeyArgs;
pub use secrets::{ApiKeyArgs, DatabaseUrlArgs, EncryptionKeyArgs};
pub use serve::{KeySource, ServeArgs, ServerKeys};

// The options of the API server.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// How long an idle API connection stays open; set it longer than the idle timeout of a proxy in front of
    /// the API
    #[arg(long, env = "RDEV_IDLE_TIMEOUT", value_name = "DURATION", default_value = "75s",
          value_parser = positive_duration)]
    pub idle_timeout: Duration,
}

impl ServerArgs {
    /// Returns the options of the server.
    #[must_use]
    pub fn to_options(&self) -> ServeOptions {
        ServeOptions { idle_timeout: self.idle_timeout, ..ServeOptions::default() }
    }
}

// The options of the worker pool.
#[derive(Debug, Clone, Args)]
pub struct WorkerArgs {
    /// Number of workers in the pool
    #[arg(long, env = "RDEV_WORKERS", value_name = "N", default_value = "10", value_parser = pool_size)]
    pub workers: NonZeroUsize,

    /// Maximum deliveries in flight per worker of the pool
    #[arg(long, env = "RDEV_MAX_IN_FLIGHT", value_name = "N", default_value = "32", value_parser = pool_size)]
    pub max_in_flight: NonZeroUsize,

    /// Maximum deliveries in flight per webhook in the whole pool
    #[arg(long, env = "RDEV_MAX_IN_FLIGHT_PER_WEBHOOK", value_name = "N", default_value = "32")]
    pub max_in_flight_per_webhook: NonZeroU32,

    /// Timeout of one attempt, from name resolution to the last byte of the response
    #[arg(long, env = "RDEV_DELIVERY_TIMEOUT", value_name = "DURATION", default_value = "15s",
          value_parser = delivery_timeout)]
    pub delivery_timeout: Duration,

    /// Start without delivering, to inspect the queue of a restored copy; a start without this delivers again
    #[arg(long, env = "RDEV_HOLD_DELIVERIES")]
    pub hold_deliveries: bool,
}

// The options of the whole system.
#[derive(Debug, Clone, Args)]
pub struct SystemArgs {
    /// Non-public network that deliveries may reach, like 10.1.0.0/16; may be repeated [default: none;
    /// 127.0.0.0/8 and ::1 for `rdev-webhooks` while it binds to loopback]
    #[arg(long, env = "RDEV_ALLOW_DESTINATION", value_name = "CIDR", value_delimiter = ',')]
    pub allow_destination: Vec<Cidr>,

    /// Refuse webhooks whose URL begins with http://
    #[arg(long, env = "RDEV_REQUIRE_HTTPS")]
    pub require_https: bool,

    /// Proxy for deliveries (HTTP CONNECT), like `http://user:password@host:port`; it gets checked addresses,
    /// never names
    #[arg(long, env = "RDEV_EGRESS_PROXY", value_name = "URL", hide_env_values = true,
          value_parser = secret(str::parse::<ProxyUrl>))]
    pub egress_proxy: Option<ProxyUrl>,

    /// How long events, deliveries and attempts are kept
    #[arg(long, env = "RDEV_RETENTION", value_name = "DURATION", default_value = "30d",
          value_parser = positive_duration)]
    pub retention: Duration,

    /// Disable a webhook once all its attempts have failed for this long
    #[arg(long, env = "RDEV_DISABLE_AFTER", value_name = "DURATION", default_value = "5d",
          value_parser = positive_duration)]
    pub disable_after: Duration,
}

// The options of the health check, which a container or a service manager runs.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckArgs {
    /// Check only whether the process is alive (/healthz), not whether it is ready (/readyz)
    #[arg(long)]
    pub live: bool,
}

impl HealthcheckArgs {
    /// Sends the health check to the server that listens on this address.
    #[must_use]
    pub fn run(&self, address: std::net::SocketAddr) -> ExitCode {
        healthcheck::run(address, if self.live { "/healthz" } else { "/readyz" })
    }
}

impl WorkerArgs {
    /// Starts a worker, unless deliveries are held.
    pub fn start(&self, system: &RdevWebhooks) {
        if self.hold_deliveries {
            tracing::warn!("deliveries held; restart without --hold-deliveries to send them");
        } else {
            system.start_worker(self.to_options());
        }
        metrics::describe_gauge!(
            "rdev_webhooks_deliveries_held",
            "1 while --hold-deliveries keeps this process from delivering"
        );
        metrics::gauge!("rdev_webhooks_deliveries_held").set(u8::from(self.hold_deliveries));
    }

    /// Returns the options of the library's worker.
    #[must_use]
    pub fn to_options(&self) -> WorkerOptions {
        let default = WorkerOptions::default();
        // Each parked attempt holds a connection, and connections use half of the descriptors.
        let max_parked = default.max_parked.min(max_open_files() / 4);
        default
            .with_workers(self.workers.get())
            .with_max_in_flight(self.max_in_flight.get())
            .with_max_in_flight_per_webhook(self.max_in_flight_per_webhook.get())
            .with_delivery_timeout(self.delivery_timeout)
            .with_max_parked(max_parked)
    }
}

impl SystemArgs {
    /// Returns a builder of a system on this database with these options.
    #[must_use]
    pub fn builder(&self, database: Database, keyring: Keyring) -> Builder {
        RdevWebhooks::builder(database, keyring)
            .destinations(DestinationPolicy::new(self.allow_destination.clone()))
            .require_https(self.require_https)
            .egress_proxy(self.egress_proxy.clone())
            .retention(self.retention)
            .disable_after(self.disable_after)
    }
}

/// Parses the size of the pool, which is limited because its slots and its memory grow with it.
fn pool_size(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(size) if size.get() <= 1_024 => Ok(size),
        _ => Err("must be a number from 1 to 1024".to_owned()),
    }
}

/// Parses a delivery timeout. A lease lasts slightly longer than this, and a delivery that its worker does
/// not finish stays untouched for that time.
fn delivery_timeout(text: &str) -> Result<Duration, String> {
    let timeout = positive_duration(text)?;
    if timeout > Duration::from_secs(10 * 60) {
        return Err("must be at most 10m".to_owned());
    }
    Ok(timeout)
}
