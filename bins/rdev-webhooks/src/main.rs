//! `rdev-webhooks`: the API and the worker in one process, and the command line for people.

mod banner;
mod cli;
mod demo;
mod migrate;
mod openapi;
mod serve;

use std::process::ExitCode;

use clap::CommandFactory;
use cli::{Cli, Command};
use rdev_cli::{Program, completions, config};
use rdev_process::cli::parse_or_exit;

/// Each delivery allocates dozens of small blocks, often freed by another thread than allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static PROGRAM: Program = Program {
    name: "rdev-webhooks",
    agent: concat!("rdev-webhooks/", env!("CARGO_PKG_VERSION")),
    help: &[rdev_webhooks_verbs::help_for],
};

fn main() -> ExitCode {
    let cli: Cli = parse_or_exit();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Migrate(options)) => migrate::run(*options),
        Some(Command::Rekey(options)) => options.run(),
        Some(Command::Healthcheck { bind, check }) => check.run(bind.bind),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Demo) => demo::run(),
        Some(Command::Client(command)) => command.run(&PROGRAM),
        Some(Command::Config(group)) => config::run(&PROGRAM, *group),
        Some(Command::Completions { shell }) => completions::completions(&PROGRAM, Cli::command(), shell),
        Some(Command::Man { out }) => completions::man(&PROGRAM, Cli::command(), &out),
    }
}
