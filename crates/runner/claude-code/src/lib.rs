//! Claude Code for the command runner: [`ClaudeCodeAgent`] implements the port
//! [`CodeAgent`](rdev_runner_domain::ports::CodeAgent) over an
//! [`ExecBackend`](rdev_runner_domain::ports::ExecBackend). [`invocation`] makes the command line from a
//! request, [`input`] the lines for the standard input, and [`ClaudeStream`] reads the standard output into
//! events and a result.
//!
//! # The end of a run
//!
//! The exit code says little: it is 0 after some failures and without any output, and 143 after a success that
//! a late signal followed. The result therefore comes from the last `result` line. Then the adapter closes the
//! input, because the process exits no earlier.
//!
//! # Stops
//!
//! A run is stopped because it is cancelled, because it is silent for longer than a limit, or because the API
//! of the model has refused the credentials. The agent gets an interrupt, to which it answers with a result.
//! If it has not begun its turn or does not answer within [`INTERRUPT_PATIENCE`], the backend stops it. The
//! wall-clock limit is the backend's.

mod agent;
mod end;
pub mod input;
pub mod invocation;
mod record;
mod run;
mod stream;
mod watchdog;
mod wire;

pub use agent::{ClaudeCodeAgent, ClaudeCodeSettings};
pub use end::End;
pub use invocation::capabilities;
pub use run::{INTERRUPT_PATIENCE, STOP_PATIENCE};
pub use stream::ClaudeStream;
pub use watchdog::EXIT_PATIENCE;
