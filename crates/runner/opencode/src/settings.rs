//! The settings of the agent.

use std::path::PathBuf;
use std::time::Duration;

/// How long a server without runs lives on by default.
pub const DEFAULT_KEEP_IDLE: Duration = Duration::from_secs(10 * 60);

/// The settings of [`OpenCodeAgent`](crate::OpenCodeAgent).
#[derive(Debug, Clone)]
pub struct OpenCodeSettings {
    /// The program: an absolute path, or a name that the backend finds on its `PATH`.
    pub program: String,
    /// The folder in which the agent keeps what it needs to find its servers and runs again. It is created,
    /// for its owner alone. Runners of one host may share it.
    pub state: PathBuf,
    /// How long a server without runs lives on.
    pub keep_idle: Duration,
}
