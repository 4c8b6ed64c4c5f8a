//! The options.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use rdev_cli::config::ConfigVerb;
use rdev_cli::{EXIT_CODES, Group};
use rdev_webhooks_options::{BindArgs, HealthcheckArgs, MigrateArgs, RekeyArgs, ServeArgs};
use rdev_webhooks_verbs::WebhooksCommand;

/// Webhooks that lose nothing: the API and the delivery worker in one process
///
/// Serves without a command. Every option can also be set by its environment variable.
#[derive(Debug, Parser)]
#[command(name = "rdev-webhooks", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the API and the worker in this process (the default)
    Serve(Box<ServeArgs>),
    /// Migrate a database's schema to this version; safe to repeat, and while other processes serve
    Migrate(Box<MigrateArgs>),
    /// Re-encrypt everything with the first of the encryption keys, so that the others can be removed; safe
    /// to repeat, and while processes serve
    Rekey(Box<RekeyArgs>),
    /// Check whether the server on this machine is ready: exits with 0 if so, else with 1
    Healthcheck {
        #[command(flatten)]
        bind: BindArgs,
        #[command(flatten)]
        check: HealthcheckArgs,
    },
    /// Print the OpenAPI 3.1 description of the API as JSON
    Openapi,
    /// Show a delivery that fails twice, is retried and succeeds, with verified signatures; takes 16 s
    Demo,
    #[command(flatten)]
    Client(WebhooksCommand),
    /// Show and change the settings and the profiles of the client commands
    Config(Box<Group<ConfigVerb>>),
    /// Print the completions for a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write a manual page for each command
    Man {
        /// Folder of the pages
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
