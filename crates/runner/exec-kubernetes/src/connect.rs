//! The start of the supervisor in a pod, and its way there.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachedProcess;
use rdev_runner_domain::Pod;
use rdev_runner_exec_local::remote::HANDSHAKE;
use sha2::{Digest, Sha256};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, SimplexStream, WriteHalf,
};
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::error::PodError;

const SCRIPT: &str = include_str!("connect.sh");

/// How long the supervisor may take to start, and how long its way into the pod may take.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(240);

/// How long a piece of the supervisor may take on its way into the pod, and the size of a piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
const PIECE_BYTES: usize = 64 * 1024;

/// The longest first line, and the part of a complaint that is quoted.
const MAX_LINE: u64 = 1_000;

/// The largest supervisor, in bytes.
const MAX_SUPERVISOR: u64 = 256 * 1024 * 1024;

/// The architectures of ELF files, with the names that `uname -m` has for them.
const MACHINES: [(u16, &str); 3] = [(0x3e, "x86_64"), (0xb7, "aarch64"), (0xf3, "riscv64")];

/// The supervisor that is put into pods.
pub(crate) struct SupervisorFile {
    content: Vec<u8>,
    hash: String,
    machine: &'static str,
}

impl SupervisorFile {
    pub(crate) async fn read(path: &Path) -> Result<Self, String> {
        let (path, shown) = (path.to_owned(), path.display().to_string());
        let reading = tokio::task::spawn_blocking(move || {
            let length = std::fs::metadata(&path)?.len();
            if length > MAX_SUPERVISOR {
                return Err(std::io::Error::other("it is too large"));
            }
            std::fs::read(path)
        });
        let content = reading.await.map_err(std::io::Error::other).flatten();
        let content = content.map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let machine =
            machine(&content).ok_or_else(|| format!("{shown} is no executable of a known machine"))?;
        let hash = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { content, hash, machine })
    }
}

/// Returns the name of the machine that an ELF file is for.
fn machine(content: &[u8]) -> Option<&'static str> {
    let [low, high] = *content.get(18..20)?.first_chunk()?;
    let number = u16::from_le_bytes([low, high]);
    let is_elf = content.starts_with(b"\x7fELF");
    MACHINES.iter().find(|(known, _)| is_elf && *known == number).map(|(_, name)| *name)
}

/// A process in a pod.
pub(crate) struct Session {
    pub(crate) stdin: WriteHalf<SimplexStream>,
    pub(crate) stdout: BufReader<ReadHalf<SimplexStream>>,
    pub(crate) end: End,
    stderr: ReadHalf<SimplexStream>,
}

/// The end of a process, or of the connection to it. A connection that is lost does not end the streams.
pub(crate) struct End {
    /// Keeps the connection.
    _process: AttachedProcess,
    status: Pin<Box<dyn Future<Output = Option<Status>> + Send>>,
    known: Option<Option<Status>>,
}

impl End {
    /// Waits for the end. Returns the status of the process, unless the connection was lost.
    pub(crate) async fn reached(&mut self) -> Option<&Status> {
        if self.known.is_none() {
            self.known = Some(self.status.as_mut().await);
        }
        self.known.as_ref().and_then(Option::as_ref)
    }
}

/// Starts the supervisor in a pod.
pub(crate) async fn connect(
    cluster: &Cluster,
    pod: &Pod,
    supervisor: &SupervisorFile,
) -> Result<Session, PodError> {
    // Another one may have its name: nothing is put there.
    cluster.check(pod).await?;
    let session = match start(cluster, pod, supervisor, "image").await {
        Err(Start::OtherVersion) => start(cluster, pod, supervisor, "none").await,
        Err(Start::NoShell(_)) => start_of_image(cluster, pod).await,
        started => started,
    };
    let session = session.map_err(|failure| match failure {
        Start::Failed(error) => error,
        Start::NoShell(fault) => PodError::supervisor(pod, fault),
        Start::OtherVersion => PodError::supervisor(pod, "that of the image has another version"),
    })?;
    // It may have been replaced in between.
    cluster.check(pod).await?;
    Ok(session)
}

/// Why no supervisor was started.
enum Start {
    /// The container has no shell, perhaps.
    NoShell(String),
    OtherVersion,
    Failed(PodError),
}

impl From<PodError> for Start {
    fn from(error: PodError) -> Self {
        Self::Failed(error)
    }
}

async fn start(
    cluster: &Cluster,
    pod: &Pod,
    supervisor: &SupervisorFile,
    source: &str,
) -> Result<Session, Start> {
    let size = supervisor.content.len().to_string();
    let command = ["sh", "-c", SCRIPT, "rdev", &supervisor.hash, &size, source].map(str::to_owned);
    let mut session = session(cluster, pod, command.to_vec()).await?;
    let line = first_line(&mut session).await?;
    if line == HANDSHAKE {
        return Ok(session);
    }
    if line.starts_with("rdev-supervise ") {
        return Err(Start::OtherVersion);
    }
    let Some(machine) = line.strip_prefix("missing ") else {
        return Err(Start::NoShell(complaint(&mut session, &line).await));
    };
    if machine != supervisor.machine {
        let fault = format!("its node is {machine}, and the supervisor is for {}", supervisor.machine);
        return Err(PodError::supervisor(pod, fault).into());
    }
    tracing::info!(namespace = %pod.namespace, pod = pod.name, "putting the supervisor into a pod");
    upload(&mut session, &supervisor.content).await?;
    match first_line(&mut session).await? {
        line if line == HANDSHAKE => Ok(session),
        line => Err(PodError::supervisor(pod, complaint(&mut session, &line).await).into()),
    }
}

/// Writes the supervisor to the input of a session. Fails as soon as the connection breaks, or carries nothing for a while.
async fn upload(session: &mut Session, content: &[u8]) -> Result<(), PodError> {
    let Session { stdin, end, .. } = session;
    let writing = async {
        for piece in content.chunks(PIECE_BYTES) {
            let written = timeout(PIECE_TIMEOUT, stdin.write_all(piece)).await;
            written.map_err(|_| PodError::lost("the pod takes nothing"))?.map_err(PodError::lost)?;
        }
        timeout(PIECE_TIMEOUT, stdin.flush()).await.map_err(PodError::lost)?.map_err(PodError::lost)
    };
    tokio::select! {
        written = timeout(UPLOAD_TIMEOUT, writing) => {
            written.map_err(|_| PodError::lost("the supervisor is too slow on its way into the pod"))?
        }
        status = end.reached() => match status {
            // Its output says why it has ended.
            Some(_) => Ok(()),
            None => Err(PodError::lost("it broke while the supervisor was put into the pod")),
        },
    }
}

/// Starts the supervisor of an image that has no shell.
async fn start_of_image(cluster: &Cluster, pod: &Pod) -> Result<Session, Start> {
    let command = ["rdev-supervise", "serve", "/tmp/.rdev"].map(str::to_owned);
    let mut session = session(cluster, pod, command.to_vec()).await?;
    match first_line(&mut session).await? {
        line if line == HANDSHAKE => Ok(session),
        line if line.starts_with("rdev-supervise ") => Err(Start::OtherVersion),
        line => Err(Start::NoShell(complaint(&mut session, &line).await)),
    }
}

async fn session(cluster: &Cluster, pod: &Pod, command: Vec<String>) -> Result<Session, PodError> {
    let mut process = cluster.exec(pod, command).await?;
    let streams = (process.stdin(), process.stdout(), process.stderr(), process.take_status());
    let (Some(stdin), Some(stdout), Some(stderr), Some(status)) = streams else {
        return Err(PodError::lost("it has no streams"));
    };
    let end = End { _process: process, status: Box::pin(status), known: None };
    Ok(Session { stdin, stdout: BufReader::new(stdout), stderr, end })
}

/// Returns the first line of the output; nothing if the process ends without one.
async fn first_line(session: &mut Session) -> Result<String, PodError> {
    let mut line = Vec::new();
    let mut limited = (&mut session.stdout).take(MAX_LINE);
    let reading = async {
        tokio::select! {
            read = limited.read_until(b'\n', &mut line) => return read.map_err(PodError::lost),
            status = session.end.reached() => if status.is_none() {
                return Err(PodError::lost("it broke"));
            },
        }
        // The process has ended, and so has its output.
        limited.read_until(b'\n', &mut line).await.map_err(PodError::lost)
    };
    let late = |_| PodError::lost(format!("the pod says nothing within {} s", START_TIMEOUT.as_secs()));
    timeout(START_TIMEOUT, reading).await.map_err(late)??;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Returns why a process has ended.
async fn complaint(session: &mut Session, line: &str) -> String {
    let status = timeout(START_TIMEOUT, session.end.reached()).await.ok().flatten();
    let status = status.and_then(|status| status.message.clone()).unwrap_or_default();
    let mut stderr = Vec::new();
    let mut limited = (&mut session.stderr).take(MAX_LINE);
    let _ = timeout(START_TIMEOUT, limited.read_to_end(&mut stderr)).await;
    let stderr = String::from_utf8_lossy(&stderr);
    let parts: Vec<_> = [line, stderr.trim(), &status].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "it has ended".to_owned() } else { parts.join(": ") }
}
