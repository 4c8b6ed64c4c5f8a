//! What the client commands of rdev's programs share.
//!
//! A program is a [`Program`]. Each of its verbs is an argument type of clap within a [`Group`] or a [`Verb`], which
//! add the options of the connection, and a function that gets a [`Session`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use rdev_cli::{Group, Outcome, Program, Session};
//!
//! static PROGRAM: Program = Program { name: "things", agent: "things/1.0", help: &[] };
//!
//! #[derive(Debug, clap::Subcommand)]
//! enum ThingsVerb {
//!     /// Say hello
//!     Hello,
//! }
//!
//! async fn run(session: Session, verb: ThingsVerb) -> Outcome {
//!     match verb {
//!         ThingsVerb::Hello => session.printer.print("Hello."),
//!     }
//! }
//!
//! fn main_of(group: Group<ThingsVerb>) -> ExitCode {
//!     group.run(&PROGRAM, run)
//! }
//! ```
//!
//! Data goes to standard output and everything else to standard error. The exit codes are those of [`EXIT_CODES`].

pub mod body;
pub mod completions;
pub mod config;
pub mod config_file;
pub mod files;
pub mod json;
pub mod output;
pub mod settings;
pub mod table;
pub mod times;

mod connection;
mod failure;
mod program;
mod run;
mod session;

#[cfg(feature = "testing")]
pub mod collisions;

pub use connection::ConnectionArgs;
pub use failure::{EXIT_CODES, Failure, Outcome};
pub use output::{Format, Printer};
pub use program::{Help, Program};
pub use run::{Group, Verb, run, run_without_session};
pub use session::{ListArgs, Session};
pub use settings::is_loopback;
