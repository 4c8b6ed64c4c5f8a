//! The runner: takes commands from the queue and runs their agents.
//!
//! [`Runner::run`] claims commands while there is room. Each run has a task with three parts: the execution
//! ([`execution`]) drives the agent, whose events pass the sink ([`sink`]), which removes the secrets, into the
//! outbox ([`outbox`]), a bounded channel; the recorder ([`recorder`]) stores them in batches and keeps the
//! lease. A slow store fills the outbox, which slows the agent.

mod availability;
mod calls;
mod execution;
mod host;
mod metrics;
mod options;
mod outbox;
mod pipelines;
mod position;
mod recorder;
mod recovery;
mod refusals;
mod run;
mod scrubber;
mod shared;
mod sink;
mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_app::periodic::{Stagger, repeat};
use rdev_app::{Ambient, Outages};
use rdev_runner_domain::ports::{Signal, SignalStream};
use rdev_runner_domain::{AttachRequest, ClaimRequest, ClusterId, CommandId, LeasedCommand};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::registry::AgentRegistry;
use availability::Availability;
use metrics::Metrics;
use pipelines::Following;
use recovery::Recovering;
use refusals::{Refusal, Refusals};
use run::Run;
use shared::Shared;
use upkeep::{Deleting, Losing, PRUNE_INTERVAL, Pruning};

pub use host::{RunnerHost, RunnerHostError};
pub use options::RunnerOptions;
pub use shared::RunnerPorts;

/// The interval between looks for runs of this host that lost their runner.
const ATTACH_INTERVAL: Duration = Duration::from_secs(10);

/// The most commands that one transaction returns to the queue.
const MAX_REQUEUED: u32 = 100;

/// A runner: claims commands and runs their agents until it is stopped.
///
/// It claims commands only of the providers whose agents can run here, by
/// [`probe`](rdev_runner_domain::ports::CodeAgent::probe). The commands of a provider that cannot run wait in
/// the queue, for another runner or until it can: the runner logs the reason once and probes it again every
/// minute. [`waiting`](rdev_runner_domain::ports::CommandQueue::waiting) says that they wait for a runner.
///
/// A runner that stops, or dies, leaves its agents running and its commands leased. A runner that starts on
/// the same [host](RunnerHost) attaches to them and continues where the stored events end. A run in a pod is
/// attached to by any runner of its [cluster](RunnerOptions::cluster). A command whose agent had not begun goes back
/// to the queue. A run whose place refuses this runner is given back, for a runner that may use it. An agent whose runs
/// end with their runner, as those of [`DemoAgent`](crate::DemoAgent) do, cannot be attached to: its command
/// ends as `lost` then. What agents keep of commands that have ended meanwhile is removed.
pub struct Runner {
    shared: Arc<Shared>,
}

impl Runner {
    /// Creates a runner over these ports, for these agents.
    #[must_use]
    pub fn new(
        ports: RunnerPorts,
        agents: Arc<AgentRegistry>,
        ambient: Ambient,
        options: RunnerOptions,
        outages: Outages,
    ) -> Self {
        let options = options.within_bounds();
        let metrics = Metrics::new(options.max_running);
        let availability = Availability::new(Arc::clone(&agents));
        let shared = Shared { ports, agents, availability, ambient, options, outages, metrics };
        Self { shared: Arc::new(shared) }
    }

    /// Runs until `drain` is cancelled. It then claims no more, stores what its agents have reported so far,
    /// within a few seconds, and returns. The agents go on, and keep their leases.
    pub async fn run(self, drain: CancellationToken) {
        let shared = self.shared;
        let stagger = Stagger::random(Arc::clone(&shared.ambient.entropy));
        let (losing, pruning) = (Losing::new(Arc::clone(&shared)), Pruning(Arc::clone(&shared)));
        let following = async {
            match &shared.ports.ci {
                Some(server) => {
                    let following = Following::new(Arc::clone(&shared), Arc::clone(server));
                    repeat(following, Duration::ZERO, &drain).await;
                }
                None => drain.cancelled().await,
            }
        };
        let deleting = Deleting::new(Arc::clone(&shared));
        let (losing_delay, pruning_delay) = (losing.interval(), stagger.delay(PRUNE_INTERVAL));
        let recovering = Recovering(Arc::clone(&shared));
        tokio::join!(
            Claiming::new(Arc::clone(&shared)).run(&drain),
            drain.run_until_cancelled(shared.availability.run()),
            drain.run_until_cancelled(repeat(recovering, Duration::ZERO, &drain)),
            // Runs that can be attached to are attached to first.
            following,
            repeat(deleting, Duration::ZERO, &drain),
            repeat(losing, losing_delay, &drain),
            repeat(pruning, pruning_delay, &drain),
        );
    }
}

/// The runs of this process.
struct Claiming {
    shared: Arc<Shared>,
    tasks: JoinSet<Option<Refusal>>,
    /// The command of each task, and how it is asked for a heartbeat.
    running: HashMap<Id, (CommandId, Arc<Notify>)>,
    refusals: Refusals,
    /// Ends the runs.
    stop: CancellationToken,
}

impl Claiming {
    fn new(shared: Arc<Shared>) -> Self {
        let (tasks, running) = (JoinSet::new(), HashMap::new());
        let refusals = Refusals::new(shared.options.lost_after);
        Self { shared, tasks, running, refusals, stop: CancellationToken::new() }
    }

    async fn run(mut self, drain: &CancellationToken) {
        let shared = Arc::clone(&self.shared);
        // Before anything is read, so that no change is missed.
        let mut signals = shared.ports.signals.subscribe();
        if drain.run_until_cancelled(self.expire_leases()).await.is_some() {
            self.work(&mut *signals, drain).await;
        }
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note_end(ended);
        }
    }

    /// Ends the leases of the runners of this host that have died.
    async fn expire_leases(&self) {
        let shared = &self.shared;
        let host = &shared.options.host;
        if host.is_exclusive() {
            // Before the first claim: afterwards the host has leases of this runner.
            let expire = || shared.ports.queue.expire_leases(host.host());
            shared.insist("end the leases of dead runners", expire).await;
        }
    }

    /// Claims and attaches until `drain`. No claim is dropped: it may have been made.
    async fn work(&mut self, signals: &mut dyn SignalStream, drain: &CancellationToken) {
        let (mut next_attach, mut next_poll) = (Instant::now(), Instant::now());
        loop {
            if Instant::now() >= next_attach {
                self.requeue_expired(drain).await;
                self.attach_all(drain).await;
                next_attach = Instant::now() + self.shared.options.lease.min(ATTACH_INTERVAL);
            }
            if Instant::now() >= next_poll {
                self.claim_all(drain).await;
                next_poll = Instant::now() + self.shared.options.poll_interval;
            }
            tokio::select! {
                biased;
                () = drain.cancelled() => return,
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.note_end(ended);
                    next_poll = Instant::now();
                }
                signal = signals.next() => {
                    if self.follow(signal) {
                        next_poll = Instant::now();
                    }
                }
                () = self.shared.availability.changed() => next_poll = Instant::now(),
                () = sleep_until(next_poll.min(next_attach)) => {}
            }
        }
    }

    /// Follows a signal. Returns whether there may be a command to claim.
    fn follow(&self, signal: Signal) -> bool {
        let mut wanted = self.running.values();
        match signal {
            Signal::Queue => return true,
            Signal::Changed(_) => {}
            Signal::Cancelled(id) => {
                if let Some((_, heartbeat)) = wanted.find(|(command, _)| *command == id) {
                    heartbeat.notify_one();
                }
            }
            Signal::Missed => {
                wanted.for_each(|(_, heartbeat)| heartbeat.notify_one());
                return true;
            }
        }
        false
    }

    /// Returns the commands to the queue whose runners died before their agents began, on whatever host.
    async fn requeue_expired(&self, drain: &CancellationToken) {
        let shared = &self.shared;
        while !drain.is_cancelled() {
            let requeue = shared.ports.queue.requeue_expired(MAX_REQUEUED);
            let Ok(requeued) = shared.write("requeue commands", requeue).await else { return };
            for command in &requeued {
                tracing::info!(%command, "command requeued: its runner died before the agent began");
            }
            if requeued.len() < MAX_REQUEUED as usize {
                return;
            }
        }
    }

    /// Takes over the runs of this host, and those in pods, whose leases have expired.
    async fn attach_all(&mut self, drain: &CancellationToken) {
        for cluster in self.shared.options.cluster_ids() {
            self.attach_all_in(cluster.as_ref(), drain).await;
        }
    }

    async fn attach_all_in(&mut self, cluster: Option<&ClusterId>, drain: &CancellationToken) {
        let shared = Arc::clone(&self.shared);
        while !drain.is_cancelled() {
            let running = self.running.values().map(|(command, _)| *command);
            let request = AttachRequest {
                host: shared.options.host.host().clone(),
                token: shared.ambient.lease_token(),
                lease_for: shared.options.lease,
                // After an outage their leases may have expired: they extend them themselves.
                except: running.chain(self.refusals.withheld()).collect(),
                cluster: cluster.cloned(),
            };
            let attached = shared.write("attach to a command", shared.ports.queue.attach(&request)).await;
            let Ok(Some(leased)) = attached else { return };
            shared.metrics.attached();
            let (command, provider) = (leased.lease.command, &leased.request.draft().provider);
            if self.refusals.is_known(command) {
                tracing::debug!(%command, %provider, "attaching to command again");
            } else {
                tracing::info!(%command, %provider, "attaching to command");
            }
            self.spawn(leased, true);
        }
    }

    /// Claims commands while there is room.
    async fn claim_all(&mut self, drain: &CancellationToken) {
        let shared = Arc::clone(&self.shared);
        while !drain.is_cancelled() && self.running.len() < shared.options.max_running as usize {
            let available = shared.availability.available();
            if available.is_empty() {
                return;
            }
            let request = ClaimRequest {
                host: shared.options.host.host().clone(),
                token: shared.ambient.lease_token(),
                lease_for: shared.options.lease,
                limits: shared.options.limits(available),
            };
            let claimed = shared.call("claim a command", shared.ports.queue.claim(&request)).await;
            let Ok(Some(leased)) = claimed else { return };
            let (command, provider) = (leased.lease.command, &leased.request.draft().provider);
            shared.metrics.started(provider);
            tracing::info!(%command, %provider, "command started");
            self.spawn(leased, false);
        }
    }

    fn spawn(&mut self, leased: LeasedCommand, is_takeover: bool) {
        let command = leased.lease.command;
        let heartbeat_wanted = Arc::new(Notify::new());
        let run = Run {
            shared: Arc::clone(&self.shared),
            leased,
            is_takeover,
            heartbeat_wanted: Arc::clone(&heartbeat_wanted),
        };
        let span = tracing::debug_span!("command.run", %command);
        let task = self.tasks.spawn(run.run(self.stop.clone()).instrument(span));
        self.running.insert(task.id(), (command, heartbeat_wanted));
        self.shared.metrics.running(self.running.len());
    }

    fn note_end(&mut self, ended: Result<(Id, Option<Refusal>), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let command = self.running.remove(&id).map(|(command, _)| command);
        self.shared.metrics.running(self.running.len());
        let Some(command) = command else { return };
        match ended {
            Ok((_, None)) => {}
            Ok((_, Some(refusal))) => self.refusals.add(command, refusal),
            Err(error) => {
                tracing::error!(%command, %error, "run died; the runner attaches to it once its lease has expired");
            }
        }
    }
}
