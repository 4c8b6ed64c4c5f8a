//! Runs of agents on this machine: [`LocalBackend`], the port
//! [`ExecBackend`](rdev_runner_domain::ports::ExecBackend) over a supervisor process for each run, and
//! [`supervise`], which is that process; [`LocalGit`], the version control of the workspaces; and [`remote`], by which
//! a runner elsewhere uses the local backend of another place.
//!
//! # Folders
//!
//! The root of a backend has two folders: `homes`, with a home for each project, and `runs`, with a folder for
//! each run, by name. All are private (mode 0700). Everything that the runner and the supervisor of a run share
//! is in the folder of the run:
//!
//! | file | content |
//! |---|---|
//! | `input` | a FIFO, the program's standard input |
//! | `stdout`, `stderr` | the program's output, without redaction |
//! | `tmp` | the program's temporary folder; removed after its end |
//! | `secrets` | the program's private files; removed after its end |
//! | `guardian.json`, `supervisor.json` | the identities of the two processes that supervise the run |
//! | `sweep.json` | what the last sweep of a run that goes on has found |
//! | `start.json`, `input.json`, `input.lock` | what makes a start and a write take effect once, for a runner elsewhere |
//! | `relay` | the socket at which the supervisor relays connections to the program's servers, for a runner elsewhere |
//! | `exit.json` | how the program ended; there once nothing of the run is left |
//!
//! [`LocalGit`] adds `worktrees`, with the worktrees of runs and their records, and `git`, with what one operation
//! needs; `worktrees.lock` and `git.lock` are for processes that share the folder. [`remote`] adds `files.json`, with the
//! last writes to workspaces, and `files.lock`.
//!
//! # Nothing is left
//!
//! Agents start tools in sessions of their own, and tools start daemons, so that neither a process group nor a
//! session has all processes of a run. The supervisor is a child subreaper: whatever its descendants leave
//! behind becomes its child. It kills its children and reaps them until there are none. So it signals only
//! processes that are its own and not yet reaped, whose ids no other process can have.
//!
//! The supervisor has a parent, the guardian, which does nothing but wait for it. If the supervisor is killed,
//! its descendants become the guardian's, which is a child subreaper too: it kills them and records the end. If
//! the guardian is killed, the supervisor goes on without it. Only if both are killed at once does the program
//! go on without supervision; the run is then [`RunState::Lost`].

mod backend;
mod exit;
mod folder;
mod git;
mod guardian;
mod home;
mod identity;
mod listener;
mod lock;
mod programs;
mod relay;
pub mod remote;
mod run;
mod spec;
mod supervisor;
mod sweep;

pub use backend::{LocalBackend, LocalSettings, runs_as_root};
pub use exit::Exit;
pub use git::LocalGit;
pub use guardian::supervise;
pub use run::{LocalRun, RunError, RunState};
pub use spec::{RunSpec, SupervisorCommand};
pub use supervisor::TERM_GRACE;
pub use sweep::SWEEP_LIMIT;
