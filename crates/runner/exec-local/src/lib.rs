//! Runs of agents on this machine.
//!
//! [`LocalRun::start`] starts a supervisor process for each run, which calls [`supervise`]. The supervisor has
//! a session of its own and outlives the runner, so that [`LocalRun::attach`] can continue after a restart.
//! Everything that the two share is in the folder of the run (mode 0700):
//!
//! | file | content |
//! |---|---|
//! | `input` | a FIFO, the agent's standard input |
//! | `stdout`, `stderr` | the agent's output, without redaction |
//! | `supervisor.json` | the identity of the supervisor |
//! | `exit.json` | how the agent ended; there once nothing of the run is left |
//!
//! # Nothing is left
//!
//! Agents start tools in sessions of their own, and tools start daemons, so that neither a process group nor a
//! session has all processes of a run. The supervisor is a child subreaper: whatever its descendants leave
//! behind becomes its child. It kills its children and reaps them until there are none. So it signals only
//! processes that are its own and not yet reaped, whose ids no other process can have.

mod exit;
mod folder;
mod identity;
mod run;
mod spec;
mod supervisor;
mod sweep;

pub use exit::Exit;
pub use run::{LocalRun, RunError, RunState};
pub use spec::{OutputStream, RunSpec};
pub use supervisor::{SWEEP_LIMIT, TERM_GRACE, supervise};
