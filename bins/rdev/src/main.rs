//! `rdev`: runs coding agents on projects, and reports them by webhooks.

mod agents;
mod api;
mod banner;
mod cli;
mod migrate;
mod options;
mod rekey;
mod runner;
mod serve;
mod server;
mod services;
mod store;
mod woodpecker;

use std::process::ExitCode;

use clap::CommandFactory;
use cli::{Cli, Command};
use rdev_cli::{Program, completions, config};
use rdev_process::cli::parse_or_exit;

/// Each delivery allocates dozens of small blocks, often freed by another thread than allocated them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static PROGRAM: Program = Program {
    name: "rdev",
    agent: concat!("rdev/", env!("CARGO_PKG_VERSION")),
    help: &[rdev_runner_verbs::help_for, rdev_webhooks_verbs::help_for],
};

fn main() -> ExitCode {
    let cli: Cli = parse_or_exit();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(options)) => serve::run(*options),
        Some(Command::Api(options)) => api::run(*options),
        Some(Command::Runner(options)) => runner::run(*options),
        Some(Command::Migrate(options)) => migrate::run(*options),
        Some(Command::Rekey(options)) => rekey::run(*options),
        Some(Command::Healthcheck { bind, check }) => check.run(bind.bind),
        Some(Command::Commands(command)) => command.run(&PROGRAM),
        Some(Command::Webhooks(command)) => command.run(&PROGRAM),
        Some(Command::Config(group)) => config::run(&PROGRAM, *group),
        Some(Command::Completions { shell }) => completions::completions(&PROGRAM, Cli::command(), shell),
        Some(Command::Man { out }) => completions::man(&PROGRAM, Cli::command(), &out),
        Some(Command::Supervise { folder }) => match rdev_runner_exec_local::supervise(&folder) {
            Ok(()) => ExitCode::SUCCESS,
            // No one reads its output; without a record of the end the run counts as lost.
            Err(_) => ExitCode::FAILURE,
        },
    }
}
