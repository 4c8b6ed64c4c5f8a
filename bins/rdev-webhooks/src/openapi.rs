//! `rdev-webhooks openapi`.

use std::io::Write;
use std::process::ExitCode;

use rdev_webhooks::http_api;

/// Prints the API's description. The exit code is 1 if it could not be written completely.
pub(crate) fn run() -> ExitCode {
    match std::io::stdout().write_all(http_api::openapi_json().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
