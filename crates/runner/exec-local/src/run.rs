//! The runner's side of a run.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use rdev_runner_domain::ports::MAX_OUTPUT_READ;
use rdev_runner_domain::{ExecEnd, OutputStream};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::exit::{Exit, Sweep};
use crate::folder::{EXIT, GUARDIAN, INPUT_READY, RunFolder, SUPERVISOR, SWEEP, remove_tree};
use crate::identity::Identity;
use crate::listener;
use crate::spec::{RunSpec, SupervisorCommand};
use crate::sweep::SWEEP_LIMIT;

/// The errors of an input that no one reads.
const CLOSED: [Errno; 3] = [Errno::ENOENT, Errno::ENXIO, Errno::EPIPE];

/// How long a supervisor may take to begin.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a supervisor that is about to begin is looked at.
const BEGIN_INTERVAL: Duration = Duration::from_millis(20);

/// How often a sweep is looked at.
const SWEEP_INTERVAL: Duration = Duration::from_millis(5);

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
    Ended(ExecEnd),
    /// The supervisor and its guardian were killed, or never began. The end of the agent is unknown.
    Lost,
}

/// The failure of an operation on a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder holds no run, or one whose supervisor never began.
    #[error("the folder holds no run")]
    NoRun,
    /// The folder exists.
    #[error("the folder holds another run")]
    Exists,
    /// The agent cannot read its input any more.
    #[error("the agent reads no more input")]
    InputClosed,
    /// The supervisor ended before it began.
    #[error("the supervisor did not start")]
    NotStarted,
    /// What the agent has left behind cannot be killed.
    #[error("what the agent has left behind cannot be killed")]
    NotSwept,
    /// The run has not ended.
    #[error("the run has not ended")]
    StillRunning,
    /// The system refused an operation.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl LocalRun {
    /// Starts a run in a new folder. A program that cannot be started is a run that ends with
    /// [`ExecEnd::start_error`].
    ///
    /// # Errors
    ///
    /// Fails if the folder exists, or if the supervisor cannot be started.
    pub async fn start(
        supervisor: &SupervisorCommand,
        folder: &Path,
        spec: &RunSpec,
    ) -> Result<Self, RunError> {
        RunFolder::new(folder).create().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => RunError::Exists,
            _ => error.into(),
        })?;
        if let Err(error) = launch(supervisor, folder, spec).await {
            remove_tree(folder)?;
            return Err(error);
        }
        Self::find(folder).await
    }

    /// Finds a run again, perhaps after a restart of the runner. Waits for a supervisor that is about to begin.
    ///
    /// # Errors
    ///
    /// Fails if the folder holds no run.
    pub async fn find(folder: &Path) -> Result<Self, RunError> {
        let folder = RunFolder::new(folder);
        let until = Instant::now() + BEGIN_TIMEOUT;
        loop {
            // The guardian first: it may end in between.
            let guardian: Option<Identity> = folder.read(GUARDIAN)?;
            if let Some(supervisor) = folder.read(SUPERVISOR)? {
                return Ok(Self { folder, supervisor });
            }
            if !guardian.is_some_and(|guardian| guardian.is_alive()) || Instant::now() > until {
                return Err(RunError::NoRun);
            }
            sleep(BEGIN_INTERVAL).await;
        }
    }

    /// Makes sure that a run without a living supervisor does not begin any more. Returns whether its program has not begun:
    /// the folder is gone then.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be moved or removed.
    pub fn withdraw(path: &Path) -> Result<bool, RunError> {
        let folder = RunFolder::new(path);
        if folder.has_begun() {
            return Ok(false);
        }
        // A process that still starts finds nothing at the path, and ends.
        let Some(withdrawn) = folder.withdraw()? else { return Ok(true) };
        if withdrawn.has_begun() {
            withdrawn.restore(path)?;
            return Ok(false);
        }
        withdrawn.remove()?;
        Ok(true)
    }

    /// Returns the temporary folder of a run.
    #[must_use]
    pub fn temporary(folder: &Path) -> PathBuf {
        RunFolder::new(folder).temporary()
    }

    /// Returns the folder of the private files of a run.
    #[must_use]
    pub fn secrets(folder: &Path) -> PathBuf {
        RunFolder::new(folder).secrets()
    }

    /// Returns the state.
    pub fn state(&self) -> Result<RunState, RunError> {
        state(&self.folder)
    }

    /// Writes to the agent's standard input, after its beginning. Waits while the agent reads nothing, so the
    /// caller bounds the time.
    pub async fn write_input(&self, bytes: &[u8]) -> Result<(), RunError> {
        while !self.folder.exists(INPUT_READY) {
            if self.state()? != RunState::Running {
                return Err(RunError::InputClosed);
            }
            sleep(BEGIN_INTERVAL).await;
        }
        let closed = |error: io::Error| match error.raw_os_error() {
            // The FIFO is gone, or no one has it open.
            Some(code) if CLOSED.contains(&Errno::from_raw(code)) => RunError::InputClosed,
            _ => error.into(),
        };
        let mut input = pipe::OpenOptions::new().open_sender(self.folder.input()).map_err(closed)?;
        input.write_all(bytes).await.map_err(closed)
    }

    /// Checks that a process of the run listens at a port of the loopback address.
    pub(crate) fn check_server(&self, port: u16) -> Result<(), RunError> {
        let ended = || io::Error::new(ErrorKind::ConnectionRefused, "the run has ended");
        Ok(listener::check(self.supervisor.pid().ok_or_else(ended)?, port)?)
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

    /// Kills what the agent has left behind while it goes on, and waits until it is gone. Returns how many
    /// processes outside of the agent's session descend from it.
    ///
    /// # Errors
    ///
    /// Fails if it takes longer than [`SWEEP_LIMIT`].
    pub async fn sweep(&self) -> Result<u32, RunError> {
        let number = |sweep: &Option<Sweep>| sweep.as_ref().map_or(0, |sweep| sweep.number);
        let before = number(&self.folder.read(SWEEP)?);
        let until = Instant::now() + SWEEP_LIMIT;
        if !self.supervisor.signal(Signal::SIGUSR2) {
            return Ok(0);
        }
        loop {
            let sweep: Option<Sweep> = self.folder.read(SWEEP)?;
            if number(&sweep) > before {
                return Ok(sweep.map_or(0, |sweep| sweep.tools));
            }
            if self.state()? != RunState::Running {
                return Ok(0);
            }
            if Instant::now() > until {
                return Err(RunError::NotSwept);
            }
            sleep(SWEEP_INTERVAL).await;
        }
    }

    /// Returns what a stream has from this offset on, at most 1 MiB; nothing if there is no more yet.
    pub fn read_output(&self, stream: OutputStream, offset: u64) -> Result<Vec<u8>, RunError> {
        Ok(self.folder.read_output(stream, offset, MAX_OUTPUT_READ)?)
    }

    /// Returns the last bytes of what a stream has so far, at most `most`.
    pub fn read_tail(&self, stream: OutputStream, most: usize) -> Result<Vec<u8>, RunError> {
        Ok(self.folder.read_tail(stream, most)?)
    }

    /// Removes the folder of a run that has ended, is lost or never began.
    ///
    /// # Errors
    ///
    /// Fails if the run has not ended, or if there is no folder.
    pub fn remove_folder(folder: &Path) -> Result<(), RunError> {
        if !folder.exists() {
            return Err(RunError::NoRun);
        }
        if state(&RunFolder::new(folder))? == RunState::Running {
            return Err(RunError::StillRunning);
        }
        Ok(remove_tree(folder)?)
    }
}

fn state(folder: &RunFolder) -> Result<RunState, RunError> {
    if let Some(Exit(end)) = folder.read(EXIT)? {
        return Ok(RunState::Ended(end));
    }
    for name in [SUPERVISOR, GUARDIAN] {
        if folder.read(name)?.is_some_and(|process: Identity| process.is_alive()) {
            return Ok(RunState::Running);
        }
    }
    // They may have ended in between.
    Ok(folder.read(EXIT)?.map_or(RunState::Lost, |Exit(end)| RunState::Ended(end)))
}

/// Starts a supervisor and waits until it has begun.
async fn launch(supervisor: &SupervisorCommand, folder: &Path, spec: &RunSpec) -> Result<(), RunError> {
    // From its start on the supervisor is on its own; the runtime reaps it if this process lives on.
    let mut child = Command::new(&supervisor.program)
        .args(&supervisor.args)
        .arg(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let spec = serde_json::to_vec(spec).map_err(io::Error::from)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let answer = timeout(BEGIN_TIMEOUT, async {
        if let Some(mut stdin) = stdin {
            // One that has failed already reads nothing; it says so by its answer.
            let _ = stdin.write_all(&spec).await;
        }
        let mut answer = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut answer).await?;
        }
        Ok::<_, io::Error>(answer)
    });
    match answer.await {
        Ok(answer) => match answer?.as_str() {
            "started\n" => Ok(()),
            _ => Err(RunError::NotStarted),
        },
        Err(_) => {
            child.start_kill()?;
            Err(RunError::NotStarted)
        }
    }
}
