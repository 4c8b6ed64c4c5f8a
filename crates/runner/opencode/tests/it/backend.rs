//! A stand-in for a backend: the servers that it starts are stand-ins too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use rdev_core::Entropy;
use rdev_runner_domain::ports::{ExecBackend, ExecError, ServerConnection};
use rdev_runner_domain::{ExecEnd, ExecSpec, ExecState, OutputStream, RunName};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, Notify};

/// What a program does that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Start {
    /// It listens.
    #[default]
    Listens,
    /// It writes a complaint to the standard error and ends.
    Fails,
    /// It prints nothing.
    SaysNothing,
}

/// A backend whose programs all listen at one address.
pub(crate) struct StandInBackend {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) start: Start,
    /// What sweeps find, one after the other; nothing at the end.
    pub(crate) tools: Vec<u32>,
    pub(crate) sweeps: u32,
    /// Whether neither a state nor a connection can be had, and how often that was in the way.
    pub(crate) is_away: bool,
    pub(crate) refusals: u32,
    /// Whether a version is asked for in vain.
    pub(crate) is_not_installed: bool,
    pub(crate) specs: Vec<ExecSpec>,
    pub(crate) removed: Vec<String>,
    /// What is kept beside servers.
    pub(crate) notes: BTreeMap<String, String>,
    runs: BTreeMap<String, ExecState>,
}

impl StandInBackend {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, state: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Ends all runs in this way.
    pub(crate) fn end(&self, state: &ExecState) {
        self.state().runs.values_mut().for_each(|run| run.clone_from(state));
        self.changed.notify_waiters();
    }

    /// Waits until the place was tried in vain this often.
    pub(crate) async fn refused(&self, times: u32) {
        loop {
            let changed = self.changed.notified();
            if self.state().refusals >= times {
                return;
            }
            changed.await;
        }
    }

    /// Fails while the place is away.
    fn reach(&self) -> Result<(), ExecError> {
        let mut state = self.state();
        if !state.is_away {
            return Ok(());
        }
        state.refusals += 1;
        self.changed.notify_waiters();
        Err(ExecError::Host { action: "reach the place", source: "it is away".into() })
    }

    /// Returns the names of the runs that go on.
    pub(crate) fn running(&self) -> Vec<String> {
        let state = self.state();
        let running = state.runs.iter().filter(|(_, run)| **run == ExecState::Running);
        running.map(|(name, _)| name.clone()).collect()
    }

    /// Returns a variable of the environment of the `n`-th program.
    pub(crate) fn variable(&self, n: usize, name: &str) -> String {
        self.state().specs[n].env[name].expose_secret().to_owned()
    }

    fn find(&self, run: &RunName) -> Result<ExecState, ExecError> {
        self.state().runs.get(run.as_str()).cloned().ok_or_else(|| ExecError::UnknownRun(run.clone()))
    }
}

#[async_trait]
impl ExecBackend for StandInBackend {
    async fn version(&self, program: &str) -> Result<String, ExecError> {
        let program = program.to_owned();
        if self.state().is_not_installed {
            return Err(ExecError::ProgramNotFound { program });
        }
        Ok("1.18.33".to_owned())
    }

    async fn start(&self, run: &RunName, spec: &ExecSpec) -> Result<(), ExecError> {
        let mut state = self.state();
        let begun = match state.start {
            Start::Fails => ExecState::Ended(ExecEnd { exit_code: Some(1), ..ExecEnd::default() }),
            _ => ExecState::Running,
        };
        state.specs.push(spec.clone());
        assert_eq!(state.runs.insert(run.as_str().to_owned(), begun), None);
        Ok(())
    }

    async fn withdraw(&self, run: &RunName) -> Result<bool, ExecError> {
        Ok(self.find(run).is_err() && !self.state().notes.contains_key(run.as_str()))
    }

    async fn runs(&self) -> Result<Vec<RunName>, ExecError> {
        let state = self.state();
        Ok(state.runs.keys().chain(state.notes.keys()).map(|name| name.parse().unwrap()).collect())
    }

    async fn status(&self, run: &RunName) -> Result<ExecState, ExecError> {
        self.reach()?;
        self.find(run)
    }

    async fn wait(&self, run: &RunName) -> Result<ExecState, ExecError> {
        loop {
            let changed = self.changed.notified();
            match self.find(run)? {
                ExecState::Running => changed.await,
                state => return Ok(state),
            }
        }
    }

    async fn follow_output(&self, run: &RunName, _: OutputStream, offset: u64) -> Result<Vec<u8>, ExecError> {
        let start = self.state().start;
        let state = self.find(run)?;
        let greeting = format!("Warning: x.\nopencode server listening on http://{}\n", self.address);
        match (start, state) {
            (Start::Listens, _) if offset == 0 => Ok(greeting.into_bytes()),
            (Start::Fails, _) | (_, ExecState::Ended(_) | ExecState::Lost) => Ok(Vec::new()),
            _ => {
                self.wait(run).await?;
                Ok(Vec::new())
            }
        }
    }

    async fn tail_output(&self, _: &RunName, _: OutputStream, _: usize) -> Result<Vec<u8>, ExecError> {
        match self.state().start {
            Start::Fails => Ok(b"Error: the configuration\n is broken\n".to_vec()),
            _ => Ok(Vec::new()),
        }
    }

    async fn write_input(&self, _: &RunName, _: &[u8]) -> Result<(), ExecError> {
        Err(ExecError::InputClosed)
    }

    async fn write_note(&self, name: &RunName, beside: &RunName, note: &str) -> Result<(), ExecError> {
        self.reach()?;
        self.find(beside)?;
        self.state().notes.insert(name.as_str().to_owned(), note.to_owned());
        Ok(())
    }

    async fn read_note(&self, name: &RunName) -> Result<Option<String>, ExecError> {
        self.reach()?;
        Ok(self.state().notes.get(name.as_str()).cloned())
    }

    async fn close_input(&self, _: &RunName) -> Result<(), ExecError> {
        Ok(())
    }

    async fn connect(&self, _: &RunName, port: u16) -> Result<Box<dyn ServerConnection>, ExecError> {
        assert_eq!(port, self.address.port());
        self.reach()?;
        let connected = TcpStream::connect(self.address).await;
        let stream =
            connected.map_err(|error| ExecError::Host { action: "connect", source: Box::new(error) })?;
        let (reader, writer) = stream.into_split();
        Ok(Box::new(StandInConnection { reader: AsyncMutex::new(reader), writer: AsyncMutex::new(writer) }))
    }

    async fn sweep(&self, run: &RunName) -> Result<u32, ExecError> {
        self.find(run)?;
        let mut state = self.state();
        state.sweeps += 1;
        Ok(if state.tools.is_empty() { 0 } else { state.tools.remove(0) })
    }

    async fn terminate(&self, run: &RunName) -> Result<(), ExecError> {
        self.find(run)?;
        let end = ExecState::Ended(ExecEnd { signal: Some(15), ..ExecEnd::default() });
        self.state().runs.insert(run.as_str().to_owned(), end);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn remove(&self, run: &RunName) -> Result<(), ExecError> {
        if self.state().notes.remove(run.as_str()).is_some() {
            return Ok(());
        }
        let state = self.find(run)?;
        assert_ne!(state, ExecState::Running);
        let mut state = self.state();
        state.runs.remove(run.as_str());
        state.removed.push(run.as_str().to_owned());
        Ok(())
    }
}

/// A connection to the address.
struct StandInConnection {
    reader: AsyncMutex<OwnedReadHalf>,
    writer: AsyncMutex<OwnedWriteHalf>,
}

#[async_trait]
impl ServerConnection for StandInConnection {
    async fn receive(&self) -> Result<Vec<u8>, ExecError> {
        let mut piece = vec![0; 1_000];
        let read = self.reader.lock().await.read(&mut piece).await;
        piece.truncate(read.unwrap_or(0));
        Ok(piece)
    }

    async fn send(&self, bytes: &[u8]) -> Result<(), ExecError> {
        let sent = self.writer.lock().await.write_all(bytes).await;
        sent.map_err(|error| ExecError::Host { action: "send", source: Box::new(error) })
    }
}

/// Bytes that differ from one call to the next.
#[derive(Default)]
pub(crate) struct CountingEntropy(AtomicU8);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}
