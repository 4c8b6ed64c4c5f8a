//! The requests and answers.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{ExecSpec, ExecState, OutputStream, RunName, Workspace, WorkspacePath};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::files::FilesCall;
use super::git::{GitAnswer, GitCall};
use crate::exit::Exit;

/// A request. Its answer has the same number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// The number.
    pub id: u64,
    /// What is asked for.
    #[serde(flatten)]
    pub call: Call,
}

/// An operation of [`ExecBackend`](rdev_runner_domain::ports::ExecBackend).
///
/// A call with a `token` takes effect once, however often it comes with this token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the parameters of the operations")]
pub enum Call {
    /// Nothing: it keeps the connection open.
    Ping,
    /// Ends the connection.
    End,
    /// Gives up the request of this number, which gets no answer.
    Cancel,
    /// Announces a run, which is not started otherwise. The place keeps that until the run is removed, so that a place that
    /// has lost it has lost its runs too.
    Announce {
        run: String,
    },
    /// Starts a run. The body is a [`StartForm`].
    Start {
        run: String,
        token: String,
    },
    /// Makes sure that a run does not begin any more that has not begun.
    Withdraw {
        run: String,
    },
    /// Waits at most so long for the end of a run, and returns its state.
    Status {
        run: String,
        wait_ms: u64,
    },
    /// Waits at most so long for output. The body of the answer has it.
    Follow {
        run: String,
        stream: StreamForm,
        offset: u64,
        wait_ms: u64,
    },
    /// The body of the answer has the output.
    Tail {
        run: String,
        stream: StreamForm,
        max_bytes: usize,
    },
    /// Writes the body to the input.
    Write {
        run: String,
        token: String,
    },
    /// Keeps the body as a note.
    WriteNote {
        run: String,
        beside: String,
    },
    /// The body of the answer has the note.
    ReadNote {
        run: String,
    },
    CloseInput {
        run: String,
    },
    /// Connects to a server of the run. The connection has this name, and is opened once.
    Connect {
        run: String,
        connection: String,
        port: u16,
    },
    /// Waits at most so long for bytes of a connection from this offset on, all bytes before which have arrived. The
    /// body of the answer has them.
    Receive {
        run: String,
        connection: String,
        offset: u64,
        wait_ms: u64,
    },
    /// Sends the body, which begins at this offset, as far as the server takes it in this time.
    Send {
        run: String,
        connection: String,
        offset: u64,
        wait_ms: u64,
    },
    Disconnect {
        run: String,
        connection: String,
    },
    Terminate {
        run: String,
    },
    Sweep {
        run: String,
    },
    Remove {
        run: String,
    },
    /// An operation of the version control.
    Git {
        git: GitCall,
    },
    /// An operation on the files of a workspace.
    Files {
        files: FilesCall,
    },
}

impl Call {
    /// Returns whether it ends with the connection. Any other operation must not stop halfway.
    pub(super) const fn is_wait(&self) -> bool {
        match self {
            Self::Status { .. } | Self::Follow { .. } | Self::Receive { .. } | Self::Send { .. } => true,
            Self::Git { git } => git.is_read(),
            Self::Files { files } => files.is_read(),
            _ => false,
        }
    }
}

/// The answer to a request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Response {
    /// The number of the request.
    pub id: u64,
    /// The answer.
    pub answer: Answer,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The operation took effect.
    Done,
    /// Whether a run was withdrawn: it was announced here and had not begun.
    Withdrawn(bool),
    /// Whether there is a note, which the body has.
    Note(bool),
    /// The number of tools that a sweep has found.
    Swept(u32),
    /// The state of a run.
    State(StateForm),
    /// The body has output. There may be more unless the run `has_ended`.
    #[expect(missing_docs, reason = "it is described above")]
    Output { has_ended: bool },
    /// The number of all bytes that a server has taken from a connection.
    Sent(u64),
    /// The answer of the version control.
    Git(GitAnswer),
    /// The body has a [`FilesAnswer`](super::FilesAnswer).
    Files,
    /// The operation failed.
    Failed(Failure),
}

/// The form of an [`ExecState`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the states of a run")]
pub enum StateForm {
    Running,
    Ended(Exit),
    Lost,
}

/// The form of an [`OutputStream`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the streams of an output")]
pub enum StreamForm {
    Stdout,
    Stderr,
}

/// The form of an [`ExecError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the variants of the error")]
pub enum Failure {
    UnknownRun,
    NameTaken,
    StillRunning,
    InputClosed,
    Workspace(String),
    Other(String),
}

/// The form of an [`ExecSpec`], without a sign-in, which is only on the runner's host.
#[derive(Serialize, Deserialize)]
pub struct StartForm {
    command: String,
    project: String,
    directory: String,
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    input: String,
    wall_ms: Option<u64>,
}

impl StartForm {
    /// Returns the form of a specification for the folder that its workspace is in the other place.
    #[must_use]
    pub fn new(spec: &ExecSpec, directory: &WorkspacePath) -> Self {
        let exposed =
            |(name, value): (String, &secrecy::SecretString)| (name, value.expose_secret().to_owned());
        Self {
            command: spec.command.to_string(),
            project: spec.project.to_string(),
            directory: directory.to_string(),
            program: spec.program.clone(),
            args: spec.args.clone(),
            env: spec.env.iter().map(|(name, value)| exposed((name.clone(), value))).collect(),
            files: spec.files.iter().map(|(name, value)| exposed((name.to_string(), value))).collect(),
            input: spec.input.clone(),
            wall_ms: spec.wall.map(|wall| wall.as_millis().try_into().unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn into_spec(self) -> Result<ExecSpec, String> {
        let files = self.files.into_iter().map(|(name, content)| Ok((name.parse()?, content.into())));
        let files = files.collect::<Result<_, rdev_runner_domain::SecretNameError>>();
        let path = self.directory.parse().map_err(|error| format!("the folder {error}"))?;
        Ok(ExecSpec {
            command: self.command.parse().map_err(|error| format!("the command {error}"))?,
            project: self.project.parse().map_err(|error| format!("the project {error}"))?,
            workspace: Workspace::Local { path },
            program: self.program,
            args: self.args,
            env: self.env.into_iter().map(|(name, value)| (name, value.into())).collect(),
            files: files.map_err(|error| format!("the name of a file {error}"))?,
            sign_in: &[],
            input: self.input,
            wall: self.wall_ms.map(Duration::from_millis),
        })
    }
}

impl From<ExecState> for StateForm {
    fn from(state: ExecState) -> Self {
        match state {
            ExecState::Running => Self::Running,
            ExecState::Ended(end) => Self::Ended(Exit(end)),
            ExecState::Lost => Self::Lost,
        }
    }
}

impl From<StateForm> for ExecState {
    fn from(form: StateForm) -> Self {
        match form {
            StateForm::Running => Self::Running,
            StateForm::Ended(Exit(end)) => Self::Ended(end),
            StateForm::Lost => Self::Lost,
        }
    }
}

impl std::fmt::Debug for StateForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Running => f.write_str("Running"),
            Self::Ended(Exit(end)) => f.debug_tuple("Ended").field(end).finish(),
            Self::Lost => f.write_str("Lost"),
        }
    }
}

impl From<OutputStream> for StreamForm {
    fn from(stream: OutputStream) -> Self {
        match stream {
            OutputStream::Stdout => Self::Stdout,
            OutputStream::Stderr => Self::Stderr,
        }
    }
}

impl From<StreamForm> for OutputStream {
    fn from(form: StreamForm) -> Self {
        match form {
            StreamForm::Stdout => Self::Stdout,
            StreamForm::Stderr => Self::Stderr,
        }
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::UnknownRun(_) => Self::UnknownRun,
            ExecError::NameTaken(_) => Self::NameTaken,
            ExecError::StillRunning(_) => Self::StillRunning,
            ExecError::InputClosed => Self::InputClosed,
            ExecError::Workspace(fault) => Self::Workspace(fault),
            other => Self::Other(other.to_string()),
        }
    }
}

impl Failure {
    /// Returns the error of an operation on this run. `other` makes one of a text.
    #[must_use]
    pub fn into_error(self, run: &RunName, other: impl FnOnce(String) -> ExecError) -> ExecError {
        match self {
            Self::UnknownRun => ExecError::UnknownRun(run.clone()),
            Self::NameTaken => ExecError::NameTaken(run.clone()),
            Self::StillRunning => ExecError::StillRunning(run.clone()),
            Self::InputClosed => ExecError::InputClosed,
            Self::Workspace(fault) => ExecError::Workspace(fault),
            Self::Other(fault) => other(fault),
        }
    }
}
