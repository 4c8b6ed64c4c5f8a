//! The supervisor's side of the protocol.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_domain::{ExecState, RunName};
use sha2::{Digest, Sha256};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::files::decode;
use super::message::{Answer, Call, Failure, Request, Response, StartForm};
use super::written::Files;
use super::{frame, relay, repetition};
use crate::backend::{LocalBackend, LocalSettings};
use crate::git::LocalGit;
use crate::spec::SupervisorCommand;

/// The line by which a supervisor says that it reads requests. Its number is the version of the protocol.
pub const HANDSHAKE: &str = "rdev-supervise 5";

/// How long either side may say nothing before the other one gives up the connection.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How long the last operations may take that must not stop halfway.
const LAST_OPERATIONS_LIMIT: Duration = Duration::from_secs(60);

/// The numbers of requests and of answers that wait.
const MAX_WAITING: usize = 16;

/// The `PATH` of programs in a place that names none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Serves runs in a folder until the client ends the connection or says nothing any more. The runs go on.
///
/// # Errors
///
/// Fails if the folder cannot be used.
pub fn serve(root: &Path) -> io::Result<()> {
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    let backend = LocalBackend::new(LocalSettings {
        root: root.to_owned(),
        // Also once another version has replaced the file.
        supervisor: SupervisorCommand { program: "/proc/self/exe".into(), args: Vec::new() },
        path: path.clone(),
        agent_home: None,
    });
    let backend = backend.map_err(io::Error::other)?.with_relays();
    let git = LocalGit::share(root, root, path)?;
    let host = Arc::new(Host { backend, git, files: Files::new(root) });
    say(HANDSHAKE)?;
    // The streams are read and written by threads, because they may be anything. Both end with the process.
    let (arrived, requests) = mpsc::channel(MAX_WAITING);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Ok(request) = frame::read(&mut stdin) {
            if arrived.blocking_send(request).is_err() {
                return;
            }
        }
    });
    let (answers, mut ready) = mpsc::channel::<Vec<u8>>(MAX_WAITING);
    let writer = thread::spawn(move || {
        let mut stdout = io::stdout().lock();
        while let Some(answer) = ready.blocking_recv() {
            if stdout.write_all(&answer).and_then(|()| stdout.flush()).is_err() {
                return;
            }
        }
    });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = Server { host, answers, waiting: JoinSet::new(), acting: JoinSet::new() };
    runtime.block_on(server.run(requests));
    runtime.shutdown_background();
    // A client that is gone may leave its end open, without reading.
    drop(writer);
    Ok(())
}

/// Moves the executable of this process to its place, once it is whole.
///
/// # Errors
///
/// Fails if the executable has another SHA-256 hash, in hexadecimal digits, or cannot be moved.
pub fn install(hash: &str, target: &Path) -> io::Result<()> {
    let own = std::env::current_exe()?;
    let found = Sha256::digest(fs::read(&own)?);
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    if found == hash {
        return fs::rename(own, target);
    }
    fs::remove_file(&own)?;
    say("damaged")?;
    Err(io::Error::other("the executable has another hash"))
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// What a runner elsewhere uses here.
struct Host {
    backend: LocalBackend,
    git: LocalGit,
    files: Files,
}

struct Server {
    host: Arc<Host>,
    answers: mpsc::Sender<Vec<u8>>,
    /// The operations that end with the connection.
    waiting: JoinSet<()>,
    /// Those that must not stop halfway.
    acting: JoinSet<()>,
}

impl Server {
    async fn run(mut self, mut requests: mpsc::Receiver<(Request, Vec<u8>)>) {
        let mut running: HashMap<u64, AbortHandle> = HashMap::new();
        while let Ok(Some((Request { id, call }, body))) = timeout(SILENCE_LIMIT, requests.recv()).await {
            while self.waiting.try_join_next().or_else(|| self.acting.try_join_next()).is_some() {}
            running.retain(|_, task| !task.is_finished());
            match call {
                Call::End => break,
                Call::Cancel => {
                    running.remove(&id).inspect(AbortHandle::abort);
                    continue;
                }
                _ => {}
            }
            let host = Arc::clone(&self.host);
            let answers = self.answers.clone();
            // A write to a workspace is whole, also if no one waits for the answer.
            let can_be_cancelled = !matches!(&call, Call::Files { .. });
            let tasks = if call.is_wait() { &mut self.waiting } else { &mut self.acting };
            let task = tasks.spawn(async move {
                let (answer, output) = answer(&host, call, body).await;
                let response = frame::encode(&Response { id, answer }, &output);
                // The client may be gone.
                if let Ok(response) = response {
                    let _ = answers.send(response).await;
                }
            });
            if can_be_cancelled {
                running.insert(id, task);
            }
        }
        self.waiting.abort_all();
        let _ =
            timeout(LAST_OPERATIONS_LIMIT, async { while self.acting.join_next().await.is_some() {} }).await;
    }
}

/// Carries out a request. Returns the answer and its body.
async fn answer(host: &Host, call: Call, body: Vec<u8>) -> (Answer, Vec<u8>) {
    match carry_out(host, call, body).await {
        Ok(answer) => answer,
        Err(failure) => (Answer::Failed(failure), Vec::new()),
    }
}

async fn carry_out(
    Host { backend, git, files }: &Host,
    call: Call,
    body: Vec<u8>,
) -> Result<(Answer, Vec<u8>), Failure> {
    let done =
        |result: Result<(), ExecError>| result.map(|()| (Answer::Done, Vec::new())).map_err(Failure::from);
    match call {
        Call::Ping | Call::Cancel | Call::End => done(Ok(())),
        Call::Announce { run } => done(repetition::announce(backend, &name(&run)?)),
        Call::Start { run, token } => {
            let form: StartForm =
                serde_json::from_slice(&body).map_err(|error| Failure::Other(error.to_string()))?;
            let spec = form.into_spec().map_err(Failure::Other)?;
            done(repetition::start_once(backend, &name(&run)?, &spec, &token).await)
        }
        Call::Withdraw { run } => {
            let withdrawn = repetition::withdraw(backend, &name(&run)?).await?;
            Ok((Answer::Withdrawn(withdrawn), Vec::new()))
        }
        Call::Status { run, wait_ms } => {
            let run = name(&run)?;
            let mut state = repetition::status(backend, &run).await?;
            if state == ExecState::Running {
                let waiting = timeout(Duration::from_millis(wait_ms), backend.wait(&run));
                state = waiting.await.unwrap_or(Ok(state))?;
            }
            Ok((Answer::State(state.into()), Vec::new()))
        }
        Call::Follow { run, stream, offset, wait_ms } => {
            let run = name(&run)?;
            let following = backend.follow_output(&run, stream.into(), offset);
            Ok(match timeout(Duration::from_millis(wait_ms), following).await {
                Ok(output) => {
                    let output = output?;
                    (Answer::Output { has_ended: output.is_empty() }, output)
                }
                Err(_) => (Answer::Output { has_ended: false }, Vec::new()),
            })
        }
        Call::Tail { run, stream, max_bytes } => {
            let run = name(&run)?;
            let output = backend.tail_output(&run, stream.into(), max_bytes).await?;
            let has_ended = backend.status(&run).await? != ExecState::Running;
            Ok((Answer::Output { has_ended }, output))
        }
        Call::Write { run, token } => {
            done(repetition::write_once(backend, &name(&run)?, &body, &token).await)
        }
        Call::Connect { ref run, .. }
        | Call::Receive { ref run, .. }
        | Call::Send { ref run, .. }
        | Call::Disconnect { ref run, .. } => relay::ask(backend, &name(run)?, call, &body).await,
        Call::WriteNote { run, beside } => {
            let note = String::from_utf8(body).map_err(|error| Failure::Other(error.to_string()))?;
            done(backend.write_note(&name(&run)?, &name(&beside)?, &note).await)
        }
        Call::ReadNote { run } => {
            let note = backend.read_note(&name(&run)?).await?;
            Ok((Answer::Note(note.is_some()), note.unwrap_or_default().into_bytes()))
        }
        Call::CloseInput { run } => done(backend.close_input(&name(&run)?).await),
        Call::Terminate { run } => done(backend.terminate(&name(&run)?).await),
        Call::Sweep { run } => Ok((Answer::Swept(backend.sweep(&name(&run)?).await?), Vec::new())),
        Call::Remove { run } => done(repetition::remove(backend, &name(&run)?).await),
        Call::Git { git: call } => {
            let (answer, body) = call.carry_out(git).await?;
            Ok((Answer::Git(answer), body))
        }
        Call::Files { files: call } => {
            let form = files.carry_out(call, decode(&body).map_err(Failure::Other)?).await;
            let form = serde_json::to_vec(&form).map_err(|error| Failure::Other(error.to_string()))?;
            Ok((Answer::Files, form))
        }
    }
}

fn name(run: &str) -> Result<RunName, Failure> {
    run.parse().map_err(|error| Failure::Other(format!("the name of a run {error}")))
}
