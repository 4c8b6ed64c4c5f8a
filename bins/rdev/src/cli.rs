//! The options.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use rdev_cli::config::ConfigVerb;
use rdev_cli::{EXIT_CODES, Group};
use rdev_runner_verbs::RunnerCommand;
use rdev_webhooks_options::{BindArgs, HealthcheckArgs, MigrateArgs, RekeyArgs};
use rdev_webhooks_verbs::WebhooksCommand;

use crate::options::{ApiArgs, RunArgs, ServeArgs};

/// Runs coding agents on projects, and reports them by webhooks
///
/// Serves without a command. Every option can also be set by its environment variable.
#[derive(Debug, Parser)]
#[command(name = "rdev", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the API, the runner and the delivery worker in this process (the default)
    Serve(Box<ServeArgs>),
    /// Run the API alone, on a database that it shares with runners and workers
    Api(Box<ApiArgs>),
    /// Run agents alone, on a database that it shares with the API
    Runner(Box<RunArgs>),
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
    #[command(flatten)]
    Commands(RunnerCommand),
    #[command(flatten)]
    Webhooks(WebhooksCommand),
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
    /// Supervise the run of a folder; the runner starts it
    #[command(hide = true)]
    Supervise {
        /// The folder of the run
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rdev_cli::collisions::collisions;

    use super::*;

    #[test]
    fn no_verb_has_an_option_of_the_connection_or_the_output() {
        Cli::command().debug_assert();
        assert_eq!(collisions(&Cli::command()), [""; 0]);
    }
}
