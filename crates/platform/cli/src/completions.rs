//! Completions and manual pages.

use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use crate::{Failure, Outcome, Program};

/// Prints the completions of a program's command line for a shell.
#[must_use]
pub fn completions(program: &Program, mut command: Command, shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, program.name, &mut script);
    let printed = std::io::Write::write_all(&mut std::io::stdout(), &script);
    end(program, printed.map_err(Failure::from))
}

/// Writes a manual page for each command of a program into a folder.
#[must_use]
pub fn man(program: &Program, command: Command, folder: &Path) -> ExitCode {
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        // A subcommand's page has no version of its own.
        clap_mangen::generate_to(command.disable_help_subcommand(true), folder)
    });
    let unwritable =
        |error: std::io::Error| Failure::failed(format!("{} cannot be written: {error}", folder.display()));
    end(program, written.map_err(unwritable))
}

fn end(program: &Program, outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(program),
    }
}
