//! The basis of every rdev webhooks binary: options, logging, metrics, shutdown.
//!
//! A binary then has a few steps:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use rdev_process::options::{DrainArgs, TelemetryArgs};
//! use rdev_process::{Shutdown, cli, program};
//!
//! /// Serves something.
//! #[derive(clap::Parser)]
//! struct Options {
//!     #[command(flatten)]
//!     drain: DrainArgs,
//!     #[command(flatten)]
//!     telemetry: TelemetryArgs,
//! }
//!
//! fn main() -> ExitCode {
//!     let options: Options = cli::parse_or_exit();
//!     options.telemetry.init();
//!     program::run(serve(options))
//! }
//!
//! async fn serve(options: Options) -> ExitCode {
//!     let shutdown = match Shutdown::install(options.drain.stop_times()) {
//!         Ok(shutdown) => shutdown,
//!         Err(error) => return cli::fail(format_args!("cannot listen for signals: {error}")),
//!     };
//!     // … bind, serve until `shutdown.drain()` is cancelled, finish what is in flight …
//!     shutdown.wait().await;
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! This crate knows nothing about webhooks, so that nothing in it can depend on them.

pub mod cli;
pub mod healthcheck;
pub mod metrics;
pub mod options;
pub mod program;
pub mod shutdown;
pub mod telemetry;

pub use metrics::Metrics;
pub use shutdown::Shutdown;
