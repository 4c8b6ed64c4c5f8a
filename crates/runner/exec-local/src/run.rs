//! The runner's side of a run.

use std::io;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;

use crate::exit::Exit;
use crate::folder::{EXIT, RunFolder, SUPERVISOR};
use crate::identity::Identity;
use crate::spec::{OutputStream, RunSpec};

/// The part of an output that one read returns at most: 1 MiB.
const MAX_READ: usize = 1024 * 1024;

/// A run on this machine.
#[derive(Debug)]
pub struct LocalRun {
    folder: RunFolder,
    supervisor: Identity,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// The agent, or what it has left behind, still runs.
    Running,
    /// Nothing of the run is left.
    Ended(Exit),
    /// The supervisor was killed, so that no one knows what became of the agent.
    Lost,
}

/// The failure of an operation on a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder holds no run, or one whose supervisor has not begun.
    #[error("the folder holds no run")]
    NoRun,
    /// The supervisor ended before it began.
    #[error("the supervisor did not start")]
    NotStarted,
    /// The run has not ended.
    #[error("the run has not ended")]
    StillRunning,
    /// The system refused an operation.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl LocalRun {
    /// Starts a run in a new folder, by an executable that calls [`supervise`](crate::supervise) with the
    /// folder as its only argument. An agent that cannot be started is a run that ends with
    /// [`Exit::start_error`].
    ///
    /// # Errors
    ///
    /// Fails if the folder exists, or if the supervisor cannot be started.
    pub async fn start(supervisor: &Path, folder: &Path, spec: &RunSpec) -> Result<Self, RunError> {
        RunFolder::new(folder).create()?;
        if let Err(error) = launch(supervisor, folder, spec).await {
            std::fs::remove_dir_all(folder)?;
            return Err(error);
        }
        Self::attach(folder)
    }

    /// Finds a run again, perhaps after a restart of the runner.
    ///
    /// # Errors
    ///
    /// Fails if the folder holds no run.
    pub fn attach(folder: &Path) -> Result<Self, RunError> {
        let folder = RunFolder::new(folder);
        let supervisor = folder.read(SUPERVISOR)?.ok_or(RunError::NoRun)?;
        Ok(Self { folder, supervisor })
    }

    /// Returns the state.
    pub fn state(&self) -> Result<RunState, RunError> {
        if let Some(exit) = self.folder.read(EXIT)? {
            return Ok(RunState::Ended(exit));
        }
        if self.supervisor.is_alive() {
            return Ok(RunState::Running);
        }
        // It may have ended in between.
        Ok(self.folder.read(EXIT)?.map_or(RunState::Lost, RunState::Ended))
    }

    /// Writes to the agent's standard input. Waits while the agent reads nothing, so the caller bounds the
    /// time.
    pub async fn write_input(&self, bytes: &[u8]) -> Result<(), RunError> {
        let mut input = pipe::OpenOptions::new().open_sender(self.folder.input())?;
        Ok(input.write_all(bytes).await?)
    }

    /// Ends the agent's standard input. Returns whether the run was there.
    pub fn close_input(&self) -> bool {
        self.supervisor.signal(Signal::SIGUSR1)
    }

    /// Stops the agent: SIGTERM, after a grace SIGKILL, and then everything that descends from it. Returns
    /// whether the run was there.
    pub fn terminate(&self) -> bool {
        self.supervisor.signal(Signal::SIGTERM)
    }

    /// Returns what a stream has from this offset on, at most 1 MiB; nothing if there is no more yet.
    pub fn read_output(&self, stream: OutputStream, offset: u64) -> Result<Vec<u8>, RunError> {
        Ok(self.folder.read_output(stream, offset, MAX_READ)?)
    }

    /// Removes the folder of a run that has ended or is lost.
    ///
    /// # Errors
    ///
    /// Fails if the run has not ended.
    pub fn remove(self) -> Result<(), RunError> {
        if self.state()? == RunState::Running {
            return Err(RunError::StillRunning);
        }
        Ok(std::fs::remove_dir_all(self.folder.path())?)
    }
}

/// Starts a supervisor and waits until it has begun.
async fn launch(supervisor: &Path, folder: &Path, spec: &RunSpec) -> Result<(), RunError> {
    // From its start on the supervisor is on its own; the runtime reaps it if this process lives on.
    let mut child = Command::new(supervisor)
        .arg(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that has failed already reads nothing; it says so by its answer.
        let _ = stdin.write_all(&serde_json::to_vec(spec).map_err(io::Error::from)?).await;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut answer).await?;
    }
    if answer == "started\n" { Ok(()) } else { Err(RunError::NotStarted) }
}
