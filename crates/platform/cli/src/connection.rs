//! The options of the connection.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rdev_process::options::positive_duration;

use crate::Format;

// The options of the connection. Their variables are read in `settings`, which knows where a value comes from.
// Their ids differ from those of `serve`, because clap hands values of global options up to it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
#[expect(missing_docs, reason = "clap would show it as the description of the verb")]
pub struct ConnectionArgs {
    /// URL of the service [env: RDEV_URL] [default: the server of the data dir]
    #[arg(id = "client_url", long = "url", global = true, value_name = "URL")]
    pub url: Option<String>,

    /// File that contains the API key, or - for standard input [env: RDEV_API_KEY_FILE, or RDEV_API_KEY for the
    /// key itself]
    #[arg(id = "client_api_key_file", long = "api-key-file", global = true, value_name = "FILE")]
    pub api_key_file: Option<String>,

    /// Profile of the configuration file [env: RDEV_PROFILE] [default: the one chosen by `config use`]
    #[arg(id = "client_profile", long = "profile", global = true, value_name = "NAME")]
    pub profile: Option<String>,

    /// Directory of a server on this machine, whose address and key are used [env: RDEV_DATA_DIR] [default: ./.rdev]
    #[arg(id = "client_data_dir", long = "data-dir", global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Form of the output
    #[arg(long, short = 'o', global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Deadline of a request with its repetitions
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub request_timeout: Duration,

    /// Idempotency key of a writing command, to repeat one that may have been carried out [default: random]
    #[arg(long, global = true, value_name = "KEY")]
    pub idempotency_key: Option<String>,

    /// Show the requests on standard error, without keys and bodies
    #[arg(long, global = true)]
    pub trace: bool,
}
