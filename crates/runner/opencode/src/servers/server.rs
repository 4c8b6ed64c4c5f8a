//! A running server.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, MutexGuard as SyncMutexGuard, PoisonError};
use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_domain::{AgentRun, CommandId, RunName, RunSecrets, Workspace};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::beats::beat_name;
use super::launch::{Fate, fate};
use crate::client::{Client, Endpoint};
use crate::connector::Connector;
use crate::records::{Ownership, Records, ServerRecord};

/// How long a server and everything that descends from it may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);

/// How long tools may live on after the last run of a server, before it is stopped with them. OpenCode kills a
/// tool that ignores signals 3 s after an abort.
const TOOL_PATIENCE: Duration = Duration::from_secs(8);

const TOOL_INTERVAL: Duration = Duration::from_millis(100);

/// A running server.
pub(crate) struct RunningServer {
    backend: Arc<dyn ExecBackend>,
    records: Records,
    name: RunName,
    pub(super) record: ServerRecord,
    address: SocketAddr,
    /// Whether this process looks after the server.
    ownership: Option<Ownership>,
    runs: Mutex<Runs>,
    /// The runs that were in the server when it was taken over, and that this process does not follow yet.
    awaited: SyncMutex<BTreeSet<CommandId>>,
    /// Whether it takes no more runs.
    is_retired: AtomicBool,
}

pub(super) struct Runs {
    /// The number of those that this process follows.
    pub(super) count: u32,
    pub(super) idle_since: Instant,
}

impl RunningServer {
    pub(super) fn new(
        backend: Arc<dyn ExecBackend>,
        records: Records,
        name: RunName,
        record: ServerRecord,
        address: SocketAddr,
        ownership: Option<Ownership>,
    ) -> Self {
        let runs = Mutex::new(Runs { count: 0, idle_since: Instant::now() });
        let is_retired = AtomicBool::new(false);
        let awaited = SyncMutex::default();
        Self { backend, records, name, record, address, ownership, runs, awaited, is_retired }
    }

    pub(crate) fn name(&self) -> &str {
        &self.record.name
    }

    pub(super) const fn run_name(&self) -> &RunName {
        &self.name
    }

    pub(super) const fn is_owned(&self) -> bool {
        self.ownership.is_some()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::SeqCst)
    }

    /// Takes no more runs, so that it is stopped after the last one.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::SeqCst);
    }

    /// Returns a client for a run with these secrets.
    pub(crate) fn client(&self, secrets: &RunSecrets) -> Client {
        Client::new(Endpoint {
            connector: Connector::new(Arc::clone(&self.backend), self.name.clone(), self.address.port()),
            address: self.address,
            password: self.record.password.clone(),
            directory: self.record.directory.clone(),
            secrets: secrets.hidden.iter().map(|value| value.expose_secret().to_owned()).collect(),
        })
    }

    /// Returns how it has ended; `None` while it runs.
    pub(crate) async fn fate(&self) -> Option<Fate> {
        fate(&*self.backend, &self.name).await
    }

    pub(super) async fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().await
    }

    /// Returns whether no run is in it, by the locked number of its runs.
    pub(super) fn is_free(&self, runs: &Runs) -> bool {
        runs.count == 0 && self.awaited().is_empty()
    }

    /// Waits for the runs that an earlier runner has begun.
    pub(super) fn wait_for(&self, commands: impl IntoIterator<Item = CommandId>) {
        self.awaited().extend(commands);
    }

    /// Waits no more for a run. Returns whether it did.
    pub(super) fn stop_waiting_for(&self, command: CommandId) -> bool {
        self.awaited().remove(&command)
    }

    fn awaited(&self) -> SyncMutexGuard<'_, BTreeSet<CommandId>> {
        // A panic cannot leave the set half changed.
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a run. Leaves nothing of it: after the last run of the server everything but the server itself is
    /// killed. If a session did not end, or its tools do not, the server is stopped with them, now or after
    /// its last run.
    pub(crate) async fn end_run(&self, has_ended: bool) {
        let mut runs = self.runs.lock().await;
        runs.count = runs.count.saturating_sub(1);
        runs.idle_since = Instant::now();
        if !has_ended {
            self.retire();
        }
        if !self.is_free(&runs) {
            return;
        }
        if !self.is_retired() && !self.sweep().await {
            self.retire();
        }
        if self.is_retired() {
            self.stop().await;
        }
    }

    /// Kills what the runs have left behind. Returns whether nothing is left.
    async fn sweep(&self) -> bool {
        let until = Instant::now() + TOOL_PATIENCE;
        loop {
            match self.backend.sweep(&self.name).await {
                Ok(0) => return true,
                Ok(_) if Instant::now() < until => sleep(TOOL_INTERVAL).await,
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// Stops it with everything that descends from it, and removes what is kept of it.
    pub(super) async fn stop(&self) {
        self.retire();
        discard(&*self.backend, &self.records, &self.name).await;
    }
}

/// Stops a server and removes what is kept of it. If that fails, the record stays, and the next runner tries
/// again.
pub(super) async fn discard(backend: &dyn ExecBackend, records: &Records, name: &RunName) {
    let stopping = async {
        match backend.terminate(name).await {
            Err(error) if !matches!(error, ExecError::UnknownRun(_)) => return Err(error),
            _ => {}
        }
        match backend.wait(name).await {
            Err(error) if !matches!(error, ExecError::UnknownRun(_)) => return Err(error),
            _ => {}
        }
        match backend.remove(name).await {
            Err(error) if !matches!(error, ExecError::UnknownRun(_)) => Err(error),
            _ => Ok(()),
        }
    };
    if let Ok(Ok(())) = timeout(STOP_TIMEOUT, stopping).await {
        if let Some(beat) = beat_name(name) {
            // A server on this host has none.
            let _ = backend.remove(&beat).await;
        }
        records.remove_server(name.as_str());
    }
}

/// Returns a hash by which a server with this environment, in this pod if it is in one, is found again. The password makes
/// it useless for anything else.
pub(super) fn fingerprint(password: &str, run: &AgentRun) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    add(password);
    if let Workspace::Kubernetes(place) = &run.workspace {
        for part in [place.namespace.as_str(), place.selector.as_str(), place.container.as_str()] {
            add(part);
        }
    }
    let environment = run.environment();
    let files = run.secrets.files.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in environment.iter().map(|(name, value)| (name.as_str(), value)).chain(files) {
        add(name);
        add(value.expose_secret());
    }
    hex(&hash.finalize())
}

/// Writes bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
