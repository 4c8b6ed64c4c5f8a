//! `rdev-webhooks`: the API and the worker in one process, and the command line for people.

mod banner;
mod cli;
mod data_dir;
mod demo;
mod migrate;
mod openapi;
mod rekey;
mod serve;

use std::process::ExitCode;

use cli::{Cli, Command};
use rdev_process::cli::parse_or_exit;

/// Each delivery allocates dozens of small blocks, often freed by another thread than allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli: Cli = parse_or_exit();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Migrate(options)) => migrate::run(*options),
        Some(Command::Rekey(options)) => rekey::run(*options),
        Some(Command::Healthcheck { bind, check }) => check.run(bind.bind),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Demo) => demo::run(),
    }
}
