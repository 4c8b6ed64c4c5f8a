//! The care for commands without a runner, and for old ones.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::periodic::Periodic;
use rdev_runner_domain::CommandId;

use super::shared::Shared;
use crate::deletions::ProjectDeletions;

/// The interval between searches for lost commands.
const LOSE_INTERVAL: Duration = Duration::from_secs(30);

/// The interval between deletions of old commands.
pub(super) const PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The interval between looks for projects to delete.
const DELETE_INTERVAL: Duration = Duration::from_secs(2);

/// The most commands that one transaction ends or deletes.
const MAX_LOST: u32 = 100;
const MAX_PRUNED: u32 = 100;

/// Ends commands as lost that no runner has attached to.
pub(super) struct Losing {
    shared: Arc<Shared>,
    /// The commands that are known to be left to another cluster.
    elsewhere: Vec<CommandId>,
}

/// Deletes commands and pipelines that ended before the retention, and the uses of credentials before it.
pub(super) struct Pruning(pub(super) Arc<Shared>);

/// Ends the deletions of projects that were to wait for their commands.
pub(super) struct Deleting {
    shared: Arc<Shared>,
    deletions: ProjectDeletions,
}

impl Deleting {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (projects, commands) = (Arc::clone(&shared.ports.projects), Arc::clone(&shared.ports.commands));
        Self { shared, deletions: ProjectDeletions::new(projects, commands) }
    }
}

impl Losing {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, elsewhere: Vec::new() }
    }

    /// Returns the interval of the search: shorter if commands are lost sooner.
    pub(super) fn interval(&self) -> Duration {
        (self.shared.options.lost_after / 4).clamp(Duration::from_secs(1), LOSE_INTERVAL)
    }
}

impl Periodic for Losing {
    async fn run_once(&mut self) -> Duration {
        let shared = &self.shared;
        let lost_after = shared.options.lost_after;
        let (mut lost, mut elsewhere): (Vec<_>, Option<Vec<_>>) = (Vec::new(), None);
        for cluster in shared.options.cluster_ids() {
            let lose = shared.ports.queue.lose(lost_after, cluster.as_ref(), MAX_LOST);
            let Ok(abandoned) = shared.write("end lost commands", lose).await else { return self.interval() };
            lost.extend(abandoned.lost);
            let left = abandoned.elsewhere;
            elsewhere = Some(match elsewhere {
                // Those of none of its identities.
                Some(others) => others.into_iter().filter(|command| left.contains(command)).collect(),
                None => left,
            });
        }
        let elsewhere = elsewhere.unwrap_or_default();
        for command in elsewhere.iter().filter(|command| !self.elsewhere.contains(command)) {
            tracing::warn!(
                %command,
                "no runner has attached to a command in another cluster; cancel it to give it up"
            );
        }
        self.elsewhere = elsewhere;
        self.shared.metrics.lost(lost.len());
        for command in &lost {
            let lost_after_ms = u64::try_from(lost_after.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(%command, lost_after_ms, "command lost: no runner has attached to it");
        }
        if lost.len() < MAX_LOST as usize { self.interval() } else { Duration::ZERO }
    }
}

impl Periodic for Deleting {
    async fn run_once(&mut self) -> Duration {
        match self.shared.write("delete projects", self.deletions.advance()).await {
            Ok(true) => Duration::ZERO,
            Ok(false) | Err(_) => DELETE_INTERVAL,
        }
    }
}

impl Periodic for Pruning {
    async fn run_once(&mut self) -> Duration {
        let prune = self.0.ports.commands.prune(self.0.options.retention, MAX_PRUNED);
        let Ok(commands) = self.0.write("delete old commands", prune).await else { return PRUNE_INTERVAL };
        if commands > 0 {
            tracing::info!(commands, "old commands deleted");
        }
        let prune = self.0.ports.credentials.prune_credentials(self.0.options.retention, MAX_PRUNED);
        let Ok(uses) = self.0.write("delete old uses of credentials", prune).await else {
            return PRUNE_INTERVAL;
        };
        let prune = self.0.ports.pipelines.prune_pipelines(self.0.options.retention, MAX_PRUNED);
        let Ok(pipelines) = self.0.write("delete old pipelines", prune).await else { return PRUNE_INTERVAL };
        if commands.max(uses).max(pipelines) < u64::from(MAX_PRUNED) {
            PRUNE_INTERVAL
        } else {
            Duration::ZERO
        }
    }
}
