//! The options of a runner.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_runner_domain::{AgentProvider, ClusterId, QueueLimits};

use super::host::RunnerHost;

/// The bounds of the options.
const MAX_RUNNING: u32 = 1_000;
const MIN_LEASE: Duration = Duration::from_secs(1);
const MAX_LEASE: Duration = Duration::from_secs(60 * 60);
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60);

/// Options of a runner; the default suits most. A value out of bounds is clamped to the nearest bound.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunnerOptions {
    /// The host.
    pub host: RunnerHost,
    /// How many commands may run at once, over all runners of the database: 1 to 1,000. All runners should
    /// have the same value.
    pub max_running: u32,
    /// How many commands of a provider may run at once, over all runners; `max_running` for those without an
    /// entry.
    pub max_running_of: BTreeMap<AgentProvider, u32>,
    /// How long a lease lasts without a heartbeat: 1 s to 1 h. A runner on the same host attaches afterwards; for a
    /// run in a pod any runner of its cluster. A command whose agent has not begun is returned to the queue.
    pub lease: Duration,
    /// How long after the end of its lease a command is lost that no runner has attached to.
    pub lost_after: Duration,
    /// How long ended commands are kept, with their events.
    pub retention: Duration,
    /// The interval between polls of the queue when no signal arrives: 10 ms to 1 min.
    pub poll_interval: Duration,
    /// The cluster whose pods the agents reach, so that the runner takes over runs there that other hosts have begun.
    pub cluster: Option<ClusterId>,
    /// Another identity of that cluster, by which runners record it that do not know the first one.
    pub other_cluster_id: Option<ClusterId>,
}

impl RunnerOptions {
    /// Returns the defaults for a runner on this host.
    #[must_use]
    pub const fn new(host: RunnerHost) -> Self {
        Self {
            host,
            max_running: 4,
            max_running_of: BTreeMap::new(),
            lease: Duration::from_secs(30),
            lost_after: Duration::from_secs(10 * 60),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            poll_interval: Duration::from_millis(500),
            cluster: None,
            other_cluster_id: None,
        }
    }

    /// Sets [`Self::max_running`].
    #[must_use]
    pub const fn with_max_running(mut self, max_running: u32) -> Self {
        self.max_running = max_running;
        self
    }

    /// Sets the entry of a provider in [`Self::max_running_of`].
    #[must_use]
    pub fn with_max_running_of(mut self, provider: AgentProvider, max_running: u32) -> Self {
        self.max_running_of.insert(provider, max_running);
        self
    }

    /// Sets [`Self::lease`].
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets [`Self::lost_after`].
    #[must_use]
    pub const fn with_lost_after(mut self, lost_after: Duration) -> Self {
        self.lost_after = lost_after;
        self
    }

    /// Sets [`Self::retention`].
    #[must_use]
    pub const fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets [`Self::poll_interval`].
    #[must_use]
    pub const fn with_poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Sets [`Self::cluster`].
    #[must_use]
    pub fn with_cluster(mut self, cluster: Option<ClusterId>) -> Self {
        self.cluster = cluster;
        self
    }

    /// Sets [`Self::other_cluster_id`].
    #[must_use]
    pub fn with_other_cluster_id(mut self, other: Option<ClusterId>) -> Self {
        self.other_cluster_id = other;
        self
    }

    /// Returns every identity of the cluster; `None` without a cluster.
    pub(super) fn cluster_ids(&self) -> Vec<Option<ClusterId>> {
        let other = self.other_cluster_id.iter().filter(|other| self.cluster.as_ref() != Some(*other));
        std::iter::once(self.cluster.clone()).chain(other.cloned().map(Some)).collect()
    }

    /// Returns the limits for these providers: those that a runner claims by, and that
    /// [`waiting`](rdev_runner_domain::ports::CommandQueue::waiting) explains.
    #[must_use]
    pub fn limits(&self, providers: impl IntoIterator<Item = AgentProvider>) -> QueueLimits {
        let limit = |provider: AgentProvider| {
            let limit = self.max_running_of.get(&provider).copied().unwrap_or(self.max_running);
            (provider, limit)
        };
        QueueLimits { max_running: self.max_running, providers: providers.into_iter().map(limit).collect() }
    }

    /// Clamps each option to its bounds.
    pub(super) fn within_bounds(self) -> Self {
        Self {
            max_running: self.max_running.clamp(1, MAX_RUNNING),
            lease: self.lease.clamp(MIN_LEASE, MAX_LEASE),
            poll_interval: self.poll_interval.clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL),
            ..self
        }
    }
}
