//! Signs of life beside servers in pods: a server whose runner shows none is stopped by another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdev_runner_domain::{ExecState, RunName};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::notes::NOTE;
use super::server::{discard, hex};
use super::{Servers, Shared};
use crate::records::Note;

/// The beginnings of the names of servers, and of the signs of life beside them. The rest is the same.
const SERVER: &str = "opencode-server-";
const BEAT: &str = "opencode-alive-";

/// How often a runner gives a sign of life beside each of its servers.
pub(super) const BEAT_INTERVAL: Duration = Duration::from_secs(60);

/// How long a server without a sign of life and without a kept run is left alone.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(5 * 60);

/// The signs of life of other runners, and since when each is the last one.
#[derive(Default)]
pub(super) struct Beats(Mutex<HashMap<RunName, (Option<String>, Instant)>>);

impl Beats {
    /// Returns whether a server has had no other sign of life for long.
    fn are_over(&self, server: &RunName, beat: Option<String>) -> bool {
        // A panic cannot leave the map half changed.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.entry(server.clone()).or_insert_with(|| (beat.clone(), Instant::now()));
        if last.0 != beat {
            *last = (beat, Instant::now());
        }
        last.1.elapsed() >= ABANDONED_AFTER
    }

    fn keep(&self, servers: &[RunName]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|server, _| servers.contains(server));
    }
}

/// Returns the name of a new server.
pub(super) fn server_name(random: &str) -> String {
    format!("{SERVER}{random}")
}

/// Returns the name of the signs of life beside a server; `None` for a server of an earlier version, which has none.
pub(super) fn beat_name(server: &RunName) -> Option<RunName> {
    format!("{BEAT}{}", server.as_str().strip_prefix(SERVER)?).parse().ok()
}

impl Shared {
    /// Gives a sign of life beside a server.
    pub(super) async fn beat(&self, server: &RunName) {
        let Some(name) = beat_name(server) else { return };
        let beat = hex(&self.entropy.bytes::<8>());
        if let Err(error) = self.backend.write_note(&name, server, &beat).await {
            tracing::debug!(%server, %error, "no sign of life can be given beside a server");
        }
    }

    /// Gives a sign of life beside each server in a pod.
    pub(super) async fn beat_all(self: &Arc<Self>) {
        let mut beating = JoinSet::new();
        for server in self.running().iter().filter(|server| server.record.is_in_pod) {
            let (shared, name) = (Arc::clone(self), server.run_name().clone());
            beating.spawn(async move { shared.beat(&name).await });
        }
        beating.join_all().await;
    }
}

impl Servers {
    /// Stops the servers in pods that another runner has started and does not look after any more, unless a run is kept
    /// beside them: then they end with the run.
    pub(crate) async fn stop_abandoned_servers(&self) {
        let (shared, Ok(names)) = (&*self.shared, self.shared.backend.runs().await) else { return };
        let is_foreign = |name: &&RunName| matches!(shared.records.find_server(name.as_str()), Ok(None));
        let servers = names.iter().filter(|name| name.as_str().starts_with(SERVER)).filter(is_foreign);
        let servers: Vec<_> = servers.cloned().collect();
        shared.beats.keep(&servers);
        for server in &servers {
            let Some(name) = beat_name(server) else { continue };
            let Ok(beat) = shared.backend.read_note(&name).await else { continue };
            if shared.beats.are_over(server, beat)
                && self.is_in_sight(server).await
                && !self.has_kept_run(server, &names).await
            {
                tracing::info!(%server, "stopping a server whose runner has died before a run began");
                discard(&*shared.backend, &shared.records, server).await;
            }
        }
    }

    /// Returns whether the pod of a server knows it. A pod that is gone for this process may be in another cluster.
    async fn is_in_sight(&self, server: &RunName) -> bool {
        let state = self.shared.backend.status(server).await;
        matches!(state, Ok(ExecState::Running | ExecState::Ended(_)))
    }

    /// Returns whether a run may be kept beside a server.
    async fn has_kept_run(&self, server: &RunName, names: &[RunName]) -> bool {
        for name in names.iter().filter(|name| name.as_str().starts_with(NOTE)) {
            match self.shared.backend.read_note(name).await {
                Ok(None) => {}
                Ok(Some(note)) => match serde_json::from_str::<Note>(&note) {
                    Ok(note) if note.server.name != server.as_str() => {}
                    _ => return true,
                },
                Err(_) => return true,
            }
        }
        false
    }
}
