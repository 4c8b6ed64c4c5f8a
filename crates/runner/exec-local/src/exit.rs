//! How a run ended, and what was swept before.

use std::time::Duration;

use rdev_runner_domain::ExecEnd;
use serde::{Deserialize, Serialize};

/// How the agent of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code, unless a signal ended the agent.
    pub exit_code: Option<i32>,
    /// The signal that ended the agent.
    pub signal: Option<i32>,
    /// Whether the agent took longer than it may.
    pub timed_out: bool,
    /// Why the agent could not be started.
    pub start_error: Option<String>,
    /// The number of processes that the agent left behind, and that were killed.
    pub swept: u32,
    /// The number of processes that could not be killed.
    pub left: u32,
    /// The duration from the start of the agent to its end.
    pub duration_ms: u64,
}

impl From<Exit> for ExecEnd {
    fn from(exit: Exit) -> Self {
        Self {
            exit_code: exit.exit_code,
            signal: exit.signal,
            timed_out: exit.timed_out,
            start_error: exit.start_error,
            swept: exit.swept,
            left: exit.left,
            duration: Duration::from_millis(exit.duration_ms),
        }
    }
}

/// What a sweep has found while the run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sweep {
    /// The number of the sweep: 1, 2, 3.
    pub(crate) number: u64,
    /// The number of processes outside of the program's session that descend from it.
    pub(crate) tools: u32,
}
