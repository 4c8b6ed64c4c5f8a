//! How a verb runs.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::{ConnectionArgs, Failure, Outcome, Program, Session};

// A group of verbs.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the description of the verb")]
pub struct Group<T: Subcommand> {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(subcommand)]
    pub verb: T,
}

impl<T: Subcommand> Group<T> {
    /// Runs the verb.
    pub fn run<F>(self, program: &'static Program, verb: impl FnOnce(Session, T) -> F) -> ExitCode
    where
        F: Future<Output = Outcome>,
    {
        run(program, &self.connection, |session| verb(session, self.verb))
    }
}

// A single verb.
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would show it as the description of the verb")]
pub struct Verb<T: Args> {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub verb: T,
}

impl<T: Args> Verb<T> {
    /// Runs the verb.
    pub fn run<F>(self, program: &'static Program, verb: impl FnOnce(Session, T) -> F) -> ExitCode
    where
        F: Future<Output = Outcome>,
    {
        run(program, &self.connection, |session| verb(session, self.verb))
    }

    /// Runs the verb, which deals with interrupts itself.
    pub fn run_through_interrupts<F>(
        self,
        program: &'static Program,
        verb: impl FnOnce(Session, T) -> F,
    ) -> ExitCode
    where
        F: Future<Output = Outcome>,
    {
        match Session::open(program, &self.connection) {
            Ok(session) => block_on(program, verb(session, self.verb)),
            Err(failure) => failure.report(program),
        }
    }
}

/// Runs a verb: opens the session, and turns its end into an exit code.
pub fn run<F>(
    program: &'static Program,
    connection: &ConnectionArgs,
    verb: impl FnOnce(Session) -> F,
) -> ExitCode
where
    F: Future<Output = Outcome>,
{
    match Session::open(program, connection) {
        Ok(session) => run_without_session(program, verb(session)),
        Err(failure) => failure.report(program),
    }
}

/// Runs what needs no connection. An interrupt ends it with exit code 130.
pub fn run_without_session(program: &Program, verb: impl Future<Output = Outcome>) -> ExitCode {
    block_on(program, async {
        tokio::select! {
            outcome = verb => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    })
}

fn block_on(program: &Program, verb: impl Future<Output = Outcome>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("cannot start: {error}")).report(program),
    };
    let outcome = runtime.block_on(verb);
    // A thread that reads standard input cannot be cancelled.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(program),
    }
}
