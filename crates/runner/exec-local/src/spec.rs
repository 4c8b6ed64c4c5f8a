//! What is run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a supervisor runs. It goes to the supervisor by a pipe, because it has secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment. Nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Its private files, by their names.
    pub files: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: PathBuf,
    /// The beginning of its input.
    pub input: String,
    /// How many milliseconds it may take; without limit if there is none.
    pub wall_ms: Option<u64>,
    /// Whether the supervisor relays connections to its servers, for a runner elsewhere.
    pub has_relay: bool,
}

/// A command that calls [`supervise`](crate::supervise) with its last argument.
#[derive(Debug, Clone)]
pub struct SupervisorCommand {
    /// The executable.
    pub program: PathBuf,
    /// The arguments before the folder of the run.
    pub args: Vec<String>,
}

impl fmt::Debug for RunSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &self.env.keys())
            .field("files", &self.files.keys())
            .field("directory", &self.directory)
            .field("input_bytes", &self.input.len())
            .field("wall_ms", &self.wall_ms)
            .field("has_relay", &self.has_relay)
            .finish()
    }
}
