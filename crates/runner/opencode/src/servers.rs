//! The servers: one for each project and environment, which its runs share.

mod beats;
mod entered;
mod launch;
mod notes;
mod server;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rdev_core::Entropy;
use rdev_runner_domain::ports::{Clock, ExecBackend};
use rdev_runner_domain::{AgentRun, CommandId, RunName, RunSecrets, Workspace};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use beats::ABANDONED_AFTER;
use beats::{BEAT_INTERVAL, Beats};
pub(crate) use entered::Entered;
pub(crate) use launch::Fate;
pub use launch::{MAX_STEPS, SERVER_LIFETIME, START_TIMEOUT};
use notes::Leftovers;
pub(crate) use notes::{PLACE_INTERVAL, PLACE_PATIENCE};
pub(crate) use server::RunningServer;

use crate::records::{Ownership, Records, ServerRecord};
use crate::settings::OpenCodeSettings;
use server::{discard, fingerprint, hex};

/// How often servers without runs are looked for.
const MAX_IDLE_CHECK: Duration = Duration::from_secs(30);

/// A project in a folder.
type Place = (String, String);

/// The servers.
pub(crate) struct Servers {
    shared: Arc<Shared>,
}

struct Shared {
    backend: Arc<dyn ExecBackend>,
    settings: OpenCodeSettings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    records: Records,
    running: Mutex<Vec<Arc<RunningServer>>>,
    /// One server of a place starts at a time.
    starting: Mutex<HashMap<Place, Arc<AsyncMutex<()>>>>,
    /// The adoption of what earlier runners have started, once.
    adopted: OnceCell<()>,
    tasks: TaskTracker,
    closed: CancellationToken,
    is_watched: AtomicBool,
    leftovers: Leftovers,
    beats: Beats,
    /// Held while the notes beside a server change, which have all of its runs.
    notes: AsyncMutex<()>,
}

impl Servers {
    pub(crate) fn new(
        backend: Arc<dyn ExecBackend>,
        settings: OpenCodeSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let records = Records::new(&settings.state);
        let shared = Shared {
            backend,
            settings,
            clock,
            entropy,
            records,
            running: Mutex::default(),
            starting: Mutex::default(),
            adopted: OnceCell::new(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            is_watched: AtomicBool::new(false),
            leftovers: Leftovers::default(),
            beats: Beats::default(),
            notes: AsyncMutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns a server for a run, and counts the run. Starts one where there is none. A start goes on if the
    /// caller drops the future, for the next run.
    ///
    /// # Errors
    ///
    /// Returns the reason why no server can be started.
    pub(crate) async fn enter(&self, run: &AgentRun) -> Result<Entered, String> {
        let (shared, run) = (Arc::clone(&self.shared), run.clone());
        let entering = self.shared.tasks.spawn(async move { shared.enter(&run).await });
        entering.await.map_err(|error| error.to_string())?
    }

    /// Takes over the servers that no process looks after, and stops those that have no runs after a while.
    pub(crate) async fn recover(&self) {
        self.shared.adopt().await;
        self.shared.watch_idle();
    }

    /// Stops waiting for a run that was in a server when it was taken over. The server is stopped after its last run,
    /// because the run may go on in it.
    pub(crate) async fn forget(&self, command: CommandId) {
        let all: Vec<_> = self.shared.running().clone();
        for server in all.into_iter().filter(|server| server.stop_waiting_for(command)) {
            server.retire();
            let shared = Arc::clone(&self.shared);
            // It goes on if the caller drops the future.
            let stopping = self.shared.tasks.spawn(async move {
                let runs = server.runs().await;
                if server.is_free(&runs) {
                    drop(runs);
                    shared.stop(&server).await;
                }
            });
            // A panic was logged.
            let _ = stopping.await;
        }
    }

    /// Returns the server of this name for a run that goes on in it, and counts the run. `None` if the server
    /// is unknown.
    ///
    /// # Errors
    ///
    /// Returns what became of the server.
    pub(crate) async fn enter_again(&self, name: &str, command: CommandId) -> Option<Result<Entered, Fate>> {
        let record = self.shared.records.find_server(name).ok()??;
        self.shared.adopt().await;
        let lock = self.shared.lock(&record.place());
        let _one_at_a_time = lock.lock().await;
        let known = self.shared.running().iter().find(|server| server.name() == name).cloned();
        let server = match known {
            Some(server) => server,
            // It has ended, another process looks after it, or it could not be reached before.
            None => {
                let ownership = self.shared.records.own(name).ok().flatten();
                match self.shared.take_over(record, ownership).await {
                    Ok(server) => server,
                    Err(fate) => return Some(Err(fate)),
                }
            }
        };
        {
            let mut runs = server.runs().await;
            runs.count += 1;
            server.stop_waiting_for(command);
        }
        Some(Ok(Entered { server, tasks: self.shared.tasks.clone(), has_begun: true }))
    }

    /// Stops the servers without runs, and leaves the others running. Waits for servers that start.
    pub(crate) async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.stop_idle(Duration::ZERO).await;
    }
}

impl Shared {
    async fn enter(self: &Arc<Self>, run: &AgentRun) -> Result<Entered, String> {
        self.adopt().await;
        self.watch_idle();
        let place = (run.request.draft().project.as_str().to_owned(), launch::directory(&run.workspace)?);
        let lock = self.lock(&place);
        let _one_at_a_time = lock.lock().await;
        let candidates: Vec<_> =
            self.running().iter().filter(|server| is_for(server, &place, run)).cloned().collect();
        for server in candidates {
            let mut runs = server.runs().await;
            let is_young = self.now_ms() - server.record.started_ms < millis(SERVER_LIFETIME / 2);
            if !server.is_retired() && is_young {
                match server.fate().await {
                    None => {
                        runs.count += 1;
                        drop(runs);
                        return Ok(self.entered(server));
                    }
                    Some(Fate::Unknown(reason) | Fate::Forbidden(reason)) => return Err(reason),
                    Some(_) => {}
                }
            }
            server.retire();
            if server.is_free(&runs) {
                drop(runs);
                self.stop(&server).await;
            }
        }
        let server = Arc::new(self.start(run, &place).await?);
        if run.is_worktree {
            // Its folder is removed after the run.
            server.retire();
        }
        server.runs().await.count += 1;
        self.running().push(Arc::clone(&server));
        Ok(self.entered(server))
    }

    fn entered(&self, server: Arc<RunningServer>) -> Entered {
        Entered { server, tasks: self.tasks.clone(), has_begun: false }
    }

    /// Starts a server and waits until it answers.
    async fn start(&self, run: &AgentRun, place: &Place) -> Result<RunningServer, String> {
        let password = hex(&self.entropy.bytes::<32>());
        let name = beats::server_name(&hex(&self.entropy.bytes::<8>()));
        let record = ServerRecord {
            project: place.0.clone(),
            directory: place.1.clone(),
            secrets: fingerprint(&password, run),
            started_ms: self.now_ms(),
            is_taken_over: false,
            is_in_pod: matches!(run.workspace, Workspace::Kubernetes(_)),
            password,
            name,
        };
        let name: RunName = record.name.parse().map_err(|error| format!("{error}"))?;
        let spec = launch::spec(&self.settings.program, run, &record.password);
        // Before it starts, so that the next runner finds it.
        let ownership = self.records.add_server(&record).map_err(|error| error.to_string())?;
        if let Err(error) = self.backend.start(&name, &spec).await {
            self.records.remove_server(name.as_str());
            return Err(error.to_string());
        }
        if record.is_in_pod {
            self.beat(&name).await;
        }
        let connected = self.connect(&name, record, Some(ownership)).await;
        if connected.is_err() {
            discard(&*self.backend, &self.records, &name).await;
        }
        connected
    }

    /// Finds a server of an earlier runner, and looks after it with its ownership.
    async fn take_over(
        &self,
        record: ServerRecord,
        ownership: Option<Ownership>,
    ) -> Result<Arc<RunningServer>, Fate> {
        let name: RunName = record.name.parse().map_err(|error| Fate::Ended(format!("{error}")))?;
        let (is_owner, is_taken_over) = (ownership.is_some(), record.is_taken_over);
        let connected = match launch::fate(&*self.backend, &name).await {
            Some(fate) => Err(fate),
            None => match self.connect(&name, record, ownership).await {
                Ok(server) => Ok(Arc::new(server)),
                Err(error) => Err(launch::fate(&*self.backend, &name).await.unwrap_or(Fate::Ended(error))),
            },
        };
        match &connected {
            Ok(server) if is_owner => {
                tracing::info!(server = server.name(), "taking over a server of an earlier runner");
                let runs = self.records.runs().into_iter();
                let of_server = runs.filter(|(_, run)| run.server == server.name());
                server.wait_for(of_server.map(|(command, _)| command));
                if is_taken_over {
                    server.retire();
                }
                self.running().push(Arc::clone(server));
            }
            Ok(_) => {}
            Err(Fate::Unknown(reason) | Fate::Forbidden(reason)) => {
                tracing::warn!(server = %name, reason, "a server of an earlier runner cannot be reached");
            }
            Err(Fate::Ended(_) | Fate::Lost) if is_owner => {
                discard(&*self.backend, &self.records, &name).await;
            }
            Err(_) => {}
        }
        connected
    }

    async fn connect(
        &self,
        name: &RunName,
        record: ServerRecord,
        ownership: Option<Ownership>,
    ) -> Result<RunningServer, String> {
        let address = launch::address(&*self.backend, name).await?;
        let (backend, records) = (Arc::clone(&self.backend), self.records.clone());
        let server = RunningServer::new(backend, records, name.clone(), record, address, ownership);
        launch::version(&server.client(&RunSecrets::default())).await?;
        Ok(server)
    }

    /// Takes over the servers that no process looks after.
    async fn adopt(&self) {
        let adopting = async {
            for record in self.records.servers() {
                if let Ok(Some(ownership)) = self.records.own(&record.name) {
                    // One that has ended is removed. One that cannot be reached is taken over by its runs.
                    let _ = self.take_over(record, Some(ownership)).await;
                }
            }
        };
        self.adopted.get_or_init(|| adopting).await;
    }

    /// Starts the task that stops servers without runs, once.
    fn watch_idle(self: &Arc<Self>) {
        if self.is_watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let (shared, closed) = (Arc::downgrade(self), self.closed.clone());
        let every = (self.settings.keep_idle / 4).clamp(Duration::from_millis(50), MAX_IDLE_CHECK);
        self.tasks.spawn(closed.run_until_cancelled_owned(stop_idle_servers(shared, every)));
    }

    /// Stops servers that have been without runs for this time.
    async fn stop_idle(&self, keep: Duration) {
        let all: Vec<_> = self.running().clone();
        for server in all {
            let runs = server.runs().await;
            if server.is_free(&runs) && runs.idle_since.elapsed() >= keep {
                // No run can enter any more.
                server.retire();
                drop(runs);
                self.stop(&server).await;
            }
        }
    }

    /// Stops a server without runs. One that another process looks after is only forgotten.
    async fn stop(&self, server: &Arc<RunningServer>) {
        self.running().retain(|other| !Arc::ptr_eq(other, server));
        if server.is_owned() {
            server.stop().await;
        }
    }

    fn lock(&self, place: &Place) -> Arc<AsyncMutex<()>> {
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        starting.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(starting.entry(place.clone()).or_default())
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<RunningServer>>> {
        // A panic cannot leave the list half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().as_micros() / 1_000
    }
}

fn is_for(server: &RunningServer, place: &Place, run: &AgentRun) -> bool {
    let record = &server.record;
    record.place() == *place && record.secrets == fingerprint(&record.password, run)
}

async fn stop_idle_servers(shared: Weak<Shared>, every: Duration) {
    let (mut ticks, mut beat_at) = (interval(every), Instant::now());
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        if Instant::now() >= beat_at {
            shared.beat_all().await;
            beat_at = Instant::now() + BEAT_INTERVAL;
        }
        shared.stop_idle(shared.settings.keep_idle).await;
    }
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}
