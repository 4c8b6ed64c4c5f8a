//! What all client verbs share: the connection and its settings, errors and output.

pub(crate) mod config;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod json;
pub(crate) mod output;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod table;
pub(crate) mod times;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use rdev_process::options::positive_duration;

pub(crate) use failure::{Failure, Outcome};
pub(crate) use output::Format;
pub(crate) use session::Session;

// The options of the connection. Their variables are read in `settings`, which knows where a value comes from.
// Their ids differ from those of `serve`, because clap hands values of global options up to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// URL of the service [env: RDEV_URL] [default: the server of the data dir]
    #[arg(id = "client_url", long = "url", global = true, value_name = "URL")]
    pub(crate) url: Option<String>,

    /// File that contains the API key, or - for standard input [env: RDEV_API_KEY_FILE, or RDEV_API_KEY for the
    /// key itself]
    #[arg(id = "client_api_key_file", long = "api-key-file", global = true, value_name = "FILE")]
    pub(crate) api_key_file: Option<String>,

    /// Profile of the configuration file [env: RDEV_PROFILE] [default: the one chosen by `config use`]
    #[arg(id = "client_profile", long = "profile", global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Directory of a server on this machine, whose address and key are used [env: RDEV_DATA_DIR] [default: ./.rdev]
    #[arg(id = "client_data_dir", long = "data-dir", global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Form of the output
    #[arg(long, short = 'o', global = true, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,

    /// Deadline of a request with its repetitions
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub(crate) request_timeout: Duration,

    /// Idempotency key of a writing command, to repeat one that may have been carried out [default: random]
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// Show the requests on standard error, without keys and bodies
    #[arg(long, global = true)]
    pub(crate) trace: bool,
}

// A group of verbs.
#[derive(Debug, Args)]
pub(crate) struct Group<T: Subcommand> {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(subcommand)]
    pub(crate) verb: T,
}

impl<T: Subcommand> Group<T> {
    /// Runs the verb.
    pub(crate) fn run<F>(self, verb: impl FnOnce(Session, T) -> F) -> ExitCode
    where
        F: Future<Output = Outcome>,
    {
        run(&self.connection, |session| verb(session, self.verb))
    }
}

// A single verb.
#[derive(Debug, Args)]
pub(crate) struct Verb<T: Args> {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) verb: T,
}

impl<T: Args> Verb<T> {
    /// Runs the verb.
    pub(crate) fn run<F>(self, verb: impl FnOnce(Session, T) -> F) -> ExitCode
    where
        F: Future<Output = Outcome>,
    {
        run(&self.connection, |session| verb(session, self.verb))
    }
}

/// Runs a verb: opens the session, and turns its end into an exit code.
pub(crate) fn run<F>(connection: &ConnectionArgs, verb: impl FnOnce(Session) -> F) -> ExitCode
where
    F: Future<Output = Outcome>,
{
    match Session::open(connection) {
        Ok(session) => run_without_session(verb(session)),
        Err(failure) => failure.report(),
    }
}

/// Runs what needs no connection. An interrupt ends it with exit code 130.
pub(crate) fn run_without_session(verb: impl Future<Output = Outcome>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("cannot start: {error}")).report(),
    };
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = verb => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    // A thread that reads standard input cannot be cancelled.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
