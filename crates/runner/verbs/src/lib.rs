//! The client commands of the command runner.

mod commands;
mod credentials;
mod follow;
mod help;
mod narrator;
mod projects;
mod providers;
mod run;
mod screen;
mod settings;
mod templates;
mod woodpecker;

use std::process::ExitCode;

use clap::Subcommand;
use rdev_cli::{ConnectionArgs, Group, Program, Verb};

pub use help::help_for;

/// The client commands.
#[derive(Debug, Subcommand)]
pub enum RunnerCommand {
    /// Run a coding agent on the project of this folder, and show what it does
    ///
    /// Exits with 0 if the command completed, else with the exit code of the agent, or with 1. ^C cancels the command
    /// and waits for its end; a second ^C leaves at once.
    Run(Box<Verb<run::RunArgs>>),
    /// List, show, follow, cancel, repeat and delete commands
    Commands(Box<Group<commands::CommandsVerb>>),
    /// Create, read and change projects
    Projects(Box<Group<projects::ProjectsVerb>>),
    /// Store secrets of runs, and see who used them
    Credentials(Box<Group<credentials::CredentialsVerb>>),
    /// List the agents and whether each can run
    Providers(Box<ConnectionArgs>),
    /// Show templates of projects, and write them into workspaces
    Templates(Box<Group<templates::TemplatesVerb>>),
}

impl RunnerCommand {
    /// Runs the command.
    #[must_use]
    pub fn run(self, program: &'static Program) -> ExitCode {
        match self {
            Self::Run(verb) => verb.run_through_interrupts(program, run::run),
            Self::Commands(group) => group.run(program, commands::run),
            Self::Projects(group) => group.run(program, projects::run),
            Self::Credentials(group) => group.run(program, credentials::run),
            Self::Providers(connection) => rdev_cli::run(program, &connection, providers::run),
            Self::Templates(group) => group.run(program, templates::run),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use rdev_cli::collisions::{collisions, members_with_reserved_names};

    use super::*;

    #[test]
    fn no_verb_has_an_option_of_the_connection_or_the_output() {
        let program = RunnerCommand::augment_subcommands(Command::new("rdev"));
        program.clone().debug_assert();
        assert_eq!(collisions(&program), [""; 0]);
        let description = serde_json::from_str(rdev_runner_api::openapi_json()).unwrap();
        assert_eq!(members_with_reserved_names(&description).into_iter().collect::<Vec<_>>(), [""; 0]);
    }
}
