//! `rdev-webhooks`: the API and the worker in one process, and the command line for people.

mod banner;
mod cli;
mod client;
mod demo;
mod migrate;
mod openapi;
mod serve;
mod verbs;

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
        Some(Command::Rekey(options)) => options.run(),
        Some(Command::Healthcheck { bind, check }) => check.run(bind.bind),
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Demo) => demo::run(),
        Some(Command::Verify(args)) => client::run_without_session(verbs::verify::run(args)),
        Some(Command::Completions { shell }) => verbs::completions::completions(shell),
        Some(Command::Man { out }) => verbs::completions::man(&out),
        Some(Command::Config(group)) => {
            client::run_without_session(verbs::config::run(group.connection, group.verb))
        }
        Some(Command::Listen(verb)) => verb.run(verbs::listen::run),
        Some(Command::Events(group)) => group.run(verbs::events::run),
        Some(Command::Webhooks(group)) => group.run(verbs::webhooks::run),
        Some(Command::Deliveries(group)) => group.run(verbs::deliveries::run),
        Some(Command::Replay(verb)) => verb.run(verbs::replay::run),
        Some(Command::Keys(group)) => group.run(verbs::keys::run),
        Some(Command::EventTypes(group)) => group.run(verbs::event_types::run),
        Some(Command::Status(connection)) => client::run(&connection, verbs::status::status),
        Some(Command::Version(connection)) => client::run(&connection, verbs::status::version),
    }
}
