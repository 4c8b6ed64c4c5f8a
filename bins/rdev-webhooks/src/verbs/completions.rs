//! `rdev-webhooks completions` and `rdev-webhooks man`.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::client::{Failure, Outcome};

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rdev-webhooks", &mut script);
    let printed = std::io::Write::write_all(&mut std::io::stdout(), &script);
    match printed.map_err(Failure::from) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Writes a manual page for each command into a folder.
pub(crate) fn man(folder: &Path) -> ExitCode {
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        // A subcommand's page has no version of its own.
        clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), folder)
    });
    let unwritable =
        |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", folder.display()));
    let outcome: Outcome = written.map_err(unwritable);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
