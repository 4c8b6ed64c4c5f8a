//! What is kept of runs in pods beside their servers, so that every runner can continue them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{AgentRun, CommandId, RunName, Workspace};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Servers;
use super::server::discard;
use crate::records::{Note, RunRecord, ServerRecord};

/// The beginning of the names of notes.
pub(super) const NOTE: &str = "opencode-run-";

/// How long the place of a server may be unreachable, and how often it is tried.
pub(crate) const PLACE_PATIENCE: Duration = Duration::from_secs(30 * 60);
pub(crate) const PLACE_INTERVAL: Duration = Duration::from_secs(1);

/// How long what is left of an ended command is left to the runner that had it.
const OWNER_PATIENCE: Duration = Duration::from_secs(60);

/// When what is left of ended commands of other runners was first seen.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<HashMap<CommandId, Instant>>);

impl Leftovers {
    /// Returns whether the runner of a command has had the time to remove what is left.
    fn are_abandoned(&self, command: CommandId) -> bool {
        // A panic cannot leave the map half changed.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, since| since.elapsed() < 10 * OWNER_PATIENCE);
        seen.entry(command).or_insert_with(Instant::now).elapsed() >= OWNER_PATIENCE
    }
}

fn note_name(command: CommandId) -> Option<RunName> {
    format!("{NOTE}{command}").parse().ok()
}

impl Servers {
    /// Keeps what has to be known of a run before its prompt is sent.
    ///
    /// # Errors
    ///
    /// Returns the reason why it cannot be kept.
    pub(crate) async fn keep_run(&self, command: CommandId, record: &RunRecord) -> Result<(), String> {
        let records = &self.shared.records;
        let _notes = self.shared.notes.lock().await;
        records.put_run(command, record).map_err(|error| error.to_string())?;
        let Ok(Some(server)) = records.find_server(&record.server) else { return Ok(()) };
        if !record.is_in_pod {
            return Ok(());
        }
        let runs: Vec<_> = records.runs().into_iter().filter(|(_, run)| run.server == server.name).collect();
        let beside: RunName = server.name.parse().map_err(|error| format!("{error}"))?;
        let by_command = runs.iter().map(|(command, run)| (command.to_string(), run.clone())).collect();
        let note = serde_json::to_string(&Note { server, runs: by_command });
        let note = note.map_err(|error| error.to_string())?;
        // A runner that continues one of the runs leaves the server to the others.
        for name in runs.iter().filter_map(|(command, _)| note_name(*command)) {
            let written = self.shared.backend.write_note(&name, &beside, &note).await;
            written.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Returns what is kept of a run. What another runner has kept beside it in its pod is kept here from then on. Waits
    /// for a pod that cannot be reached for now.
    pub(crate) async fn find_run(&self, run: &AgentRun, cancelled: &CancellationToken) -> Option<RunRecord> {
        let command = run.command_id();
        if let Some(record) = self.shared.records.find_run(command).ok()? {
            return Some(record);
        }
        if !matches!(run.workspace, Workspace::Kubernetes(_)) {
            return None;
        }
        let (name, until) = (note_name(command)?, Instant::now() + PLACE_PATIENCE);
        let note = loop {
            match self.shared.backend.read_note(&name).await {
                Ok(note) => break note?,
                // The runner finds out by itself.
                Err(ExecError::Forbidden { .. }) => return None,
                Err(error) if cancelled.is_cancelled() || Instant::now() > until => {
                    tracing::warn!(%command, %error, "what is kept of a run cannot be read");
                    return None;
                }
                Err(_) => sleep(PLACE_INTERVAL).await,
            }
        };
        self.import(command, serde_json::from_str(&note).ok()?)
    }

    /// Keeps what another runner has kept of the runs of a server. Returns the run of the command.
    fn import(&self, command: CommandId, Note { server, runs }: Note) -> Option<RunRecord> {
        let records = &self.shared.records;
        if records.find_server(&server.name).ok()?.is_none() {
            let record = ServerRecord { is_taken_over: true, ..server };
            // It is taken over when the run enters it.
            drop(records.add_server(&record).ok()?);
        }
        for (other, run) in &runs {
            let other = other.parse().ok()?;
            if records.find_run(other).ok()?.is_none() {
                records.put_run(other, run).ok()?;
            }
        }
        records.find_run(command).ok()?
    }

    /// Makes sure that a run in a pod that is kept nowhere does not begin. Returns whether that is certain.
    pub(crate) async fn withdraw(&self, run: &AgentRun) -> bool {
        if !matches!(self.shared.records.find_run(run.command_id()), Ok(None)) {
            return false;
        }
        let (Workspace::Kubernetes(_), Some(name)) = (&run.workspace, note_name(run.command_id())) else {
            return true;
        };
        let backend = &self.shared.backend;
        if !backend.withdraw(&name).await.unwrap_or(false) {
            return false;
        }
        // The next attempt may be in another pod.
        let _ = backend.remove(&name).await;
        true
    }

    /// Returns why this process may not use the place of a run's server.
    pub(crate) async fn refusal(&self, command: CommandId) -> Option<String> {
        let name = match self.shared.records.find_run(command) {
            Ok(Some(record)) => record.server.parse().ok(),
            _ => note_name(command),
        };
        self.shared.backend.refusal(&name?).await
    }

    /// Returns the commands whose runs are kept here, or beside servers in pods, by any runner.
    pub(crate) async fn runs(&self) -> Vec<CommandId> {
        let mut runs: BTreeSet<_> =
            self.shared.records.runs().into_iter().map(|(command, _)| command).collect();
        match self.shared.backend.runs().await {
            Ok(names) => {
                let noted = |name: &RunName| name.as_str().strip_prefix(NOTE)?.parse::<CommandId>().ok();
                runs.extend(names.iter().filter_map(noted));
            }
            Err(error) => tracing::warn!(%error, "the runs in pods cannot be listed"),
        }
        runs.into_iter().collect()
    }

    /// Removes what is kept of a run that has ended, here and beside its server. The server of another runner that does not
    /// do so itself is stopped with it: that runner has died.
    pub(crate) async fn remove_run(&self, command: CommandId) {
        let records = &self.shared.records;
        let own = records.find_run(command).ok().flatten();
        let _notes = match own {
            Some(_) => Some(self.shared.notes.lock().await),
            None => None,
        };
        records.remove_run(command);
        if own.as_ref().is_some_and(|run| !run.is_in_pod) {
            return;
        }
        let Some(name) = note_name(command) else { return };
        if own.is_none() && !self.stop_abandoned(command, &name).await {
            return;
        }
        // If that fails, the next look removes it.
        let _ = self.shared.backend.remove(&name).await;
    }

    /// Stops the server of a run that another runner had, if no other run is kept beside it. Returns whether the run may be
    /// removed.
    async fn stop_abandoned(&self, command: CommandId, name: &RunName) -> bool {
        let backend = &self.shared.backend;
        let note = match backend.read_note(name).await {
            Ok(Some(note)) => note,
            Ok(None) => return true,
            Err(_) => return false,
        };
        if !self.shared.leftovers.are_abandoned(command) {
            return false;
        }
        let Ok(Note { server, runs }) = serde_json::from_str(&note) else { return true };
        let is_known_here = !matches!(self.shared.records.find_server(&server.name), Ok(None));
        let Ok(server) = server.name.parse::<RunName>() else { return true };
        let others = runs.keys().filter_map(|other| other.parse().ok()).filter(|other| *other != command);
        for other in others.filter_map(note_name) {
            if !matches!(backend.read_note(&other).await, Ok(None)) {
                return true;
            }
        }
        if !is_known_here {
            tracing::info!(%command, %server, "stopping a server whose runner has died");
            discard(&**backend, &self.shared.records, &server).await;
        }
        true
    }
}
