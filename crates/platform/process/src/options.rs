//! Options that several binaries share and `#[command(flatten)]` into their own.
//!
//! Every option is a flag with an environment variable of the same name: `--drain-timeout` is
//! `RDEV_DRAIN_TIMEOUT`. The flag wins. An environment variable that is set but empty counts as
//! not set (see [`cli::parse_from`](crate::cli::parse_from)).

mod bind;
mod duration;
mod file;
mod secret;

use std::io::IsTerminal;
use std::time::Duration;

pub use bind::bind_address;
pub use duration::{duration, positive_duration};
pub use file::{FromFile, SecretFileParser, secret_file, warn_if_exposed};
pub use secret::{SecretParser, api_key, secret};

use crate::shutdown::StopTimes;
use crate::telemetry::{self, LogFilter, LogFormat};

// The comments on these two structs are plain ones: clap would use a rustdoc comment as the description of
// the program that flattens them.

#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "see above")]
pub struct TelemetryArgs {
    /// Log format [default: text on a terminal, else json]
    #[arg(long, env = "RDEV_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Log level (off, error, warn, info, debug, trace), then levels by module [default: info]
    ///
    /// For example `info,rdev_webhooks_app=debug,sqlx=warn`.
    #[arg(long, env = "RDEV_LOG", value_name = "LEVEL[,MODULE=LEVEL]…")]
    pub log: Option<LogFilter>,
}

impl TelemetryArgs {
    /// Returns the format of the log: the requested one, otherwise the one that suits standard error.
    pub fn format(&self) -> LogFormat {
        self.log_format.unwrap_or_else(|| LogFormat::suiting(std::io::stderr().is_terminal()))
    }

    /// Starts logging with these options; see [`telemetry::init`].
    pub fn init(&self) {
        self.init_with(&LogFilter::default());
    }

    /// Starts logging with these options. Without a level, a terminal also shows what the modules log at `debug`.
    pub fn init_with_debug_on_terminal(&self, modules: &[&str]) {
        let watched = if std::io::stderr().is_terminal() { modules } else { &[] };
        self.init_with(
            &watched.iter().fold(LogFilter::default(), |filter, module| filter.with_debug(module)),
        );
    }

    fn init_with(&self, default: &LogFilter) {
        telemetry::init(self.format(), self.log.as_ref().unwrap_or(default));
    }
}

#[derive(Clone, Debug, clap::Args)]
#[expect(missing_docs, reason = "see above")]
pub struct DrainArgs {
    /// How long a stop waits for work in flight (0 does not wait)
    #[arg(
        long,
        env = "RDEV_DRAIN_TIMEOUT",
        value_name = "DURATION",
        default_value = "20s",
        value_parser = duration
    )]
    pub drain_timeout: Duration,

    /// How long /readyz returns 503 after SIGTERM before new connections are refused and the drain begins
    ///
    /// Set it to the time that a load balancer takes to notice.
    #[arg(
        long,
        env = "RDEV_SHUTDOWN_GRACE",
        value_name = "DURATION",
        default_value = "0s",
        value_parser = duration
    )]
    pub shutdown_grace: Duration,
}

impl DrainArgs {
    /// Returns the times for [`Shutdown::install`](crate::Shutdown::install).
    pub fn stop_times(&self) -> StopTimes {
        StopTimes { grace: self.shutdown_grace, drain_timeout: self.drain_timeout }
    }
}
