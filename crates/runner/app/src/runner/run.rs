//! One run: from its lease to its stored result.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{Access, AgentProvider, CommandId, CommandStatus, LeasedCommand, Outcome};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::execution::{Executed, Execution};
use super::outbox::Outbox;
use super::position::Position;
use super::recorder::{LeaseLost, Recorder};
use super::refusals::Refusal;
use super::shared::Shared;

/// How long a stopping runner waits for the first report of a run.
const BEGIN_PATIENCE: Duration = Duration::from_secs(2);

/// The time after which a request to stop an agent is repeated.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How long an agent may take to end whose command has ended without it.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// How long an agent may take to remove what it keeps of a run.
const FORGET_TIMEOUT: Duration = Duration::from_secs(30);

/// A run of this process.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    pub(super) leased: LeasedCommand,
    /// Whether an earlier runner began the run.
    pub(super) is_takeover: bool,
    /// Asks for a heartbeat now.
    pub(super) heartbeat_wanted: Arc<Notify>,
}

/// How a run ended for this process.
enum End {
    /// The result is stored.
    Stored(Outcome),
    /// The command has another runner, or has ended as lost.
    LeaseLost,
    /// The agent has not begun, and never will.
    Unbegun,
    /// This runner may not use the place of the run.
    Refused,
    /// The runner stops; the agent goes on.
    Stopped,
}

impl Run {
    /// Runs the agent until its result is stored, the lease is lost, or the runner stops. In the last case the
    /// agent goes on, and another runner attaches to it. Returns why, if this runner may not use the place of the run.
    pub(super) async fn run(self, stop: CancellationToken) -> Option<Refusal> {
        let Self { shared, leased, is_takeover, heartbeat_wanted } = self;
        let (command, provider) = (leased.lease.command, leased.request.draft().provider.clone());
        let agent = shared.agents.get(&provider).ok();
        let stored = leased.checkpoint.as_deref().and_then(Position::parse).unwrap_or_default();
        let outbox = Outbox::new(stored.clone());
        let [began, reported, cancelled, unbegun, refused, ended] =
            std::array::from_fn(|_| CancellationToken::new());
        let refusal = OnceLock::new();
        if leased.state.status() == CommandStatus::Cancelling {
            cancelled.cancel();
        }
        let lease = (leased.lease, leased.last_seq);
        let execution = Execution {
            shared: &shared,
            agent: agent.as_deref(),
            leased: &leased,
            taken_over: is_takeover.then_some(&stored),
            outbox: &outbox,
            began: &began,
            reported: &reported,
            cancelled: &cancelled,
        };
        let mut executing = pin!(async {
            match execution.run().await {
                Executed::Ended(result) => outbox.end(*result),
                Executed::Unbegun => unbegun.cancel(),
                Executed::Refused(reason) => {
                    refusal.get_or_init(|| reason);
                    refused.cancel();
                }
            }
            ended.cancel();
            std::future::pending::<()>().await;
        });
        let mut cancelling = pin!(async {
            began.cancelled().await;
            cancelled.cancelled().await;
            cancel(agent.as_deref(), command).await;
        });
        let mut recorder = Recorder::new(&shared, &outbox, lease, &cancelled, &heartbeat_wanted);
        let end = tokio::select! {
            biased;
            // The agent first: it can be cancelled from its first poll on. Neither of these two ends.
            () = &mut executing => End::Stopped,
            () = &mut cancelling => End::Stopped,
            () = unbegun.cancelled() => End::Unbegun,
            () = refused.cancelled() => End::Refused,
            stored = recorder.run() => stored.map_or_else(|LeaseLost| End::LeaseLost, End::Stored),
            () = stopping(&stop, &reported) => End::Stopped,
        };
        match end {
            End::Stored(outcome) => {
                note_end(&shared, command, &provider, outcome);
                clean_up(&shared, agent.as_deref(), command).await;
            }
            End::Stopped => {
                if let Some(outcome) = recorder.flush().await {
                    note_end(&shared, command, &provider, outcome);
                    clean_up(&shared, agent.as_deref(), command).await;
                }
            }
            End::Unbegun => {
                let requeue = || shared.ports.queue.requeue(&leased.lease);
                let requeued = shared.insist("requeue a command", requeue);
                if stop.run_until_cancelled(requeued).await.is_some() {
                    tracing::info!(%command, "command requeued: the agent had not begun");
                }
            }
            End::Refused => {
                recorder.flush().await;
                let queue = &shared.ports.queue;
                let give_back = || queue.heartbeat(&leased.lease, Duration::ZERO);
                let given_back = shared.insist("give back a command", give_back);
                stop.run_until_cancelled(given_back).await;
            }
            End::LeaseLost => {
                shared.metrics.lease_lost();
                let has_other = stop.run_until_cancelled(has_other_runner(&shared, command)).await;
                if has_other.unwrap_or(true) {
                    tracing::warn!(%command, "lease lost to another runner");
                    return None;
                }
                tracing::warn!(%command, "command ended without its runner; stopping the agent");
                outbox.close();
                cancelled.cancel();
                tokio::select! {
                    biased;
                    () = &mut executing => {}
                    () = &mut cancelling => {}
                    () = ended.cancelled() => clean_up(&shared, agent.as_deref(), command).await,
                    () = tokio::time::sleep(STOP_PATIENCE) => tracing::error!(%command, "agent does not stop"),
                    () = stop.cancelled() => {}
                }
            }
        }
        let reason = refusal.get()?.clone();
        Some(Refusal { reason, is_cancelled: cancelled.is_cancelled() })
    }
}

fn note_end(shared: &Shared, command: CommandId, provider: &AgentProvider, outcome: Outcome) {
    shared.metrics.ended(provider, outcome);
    let outcome = outcome.reason().unwrap_or("completed");
    tracing::info!(%command, %provider, outcome, "command ended");
}

/// Waits until the runner stops. A run that has just begun may report first, because an agent that has not
/// begun cannot be attached to.
async fn stopping(stop: &CancellationToken, reported: &CancellationToken) {
    stop.cancelled().await;
    // A late agent may have begun nevertheless.
    let _ = tokio::time::timeout(BEGIN_PATIENCE, reported.cancelled()).await;
}

/// Asks the agent to stop, again and again.
async fn cancel(agent: Option<&dyn CodeAgent>, command: CommandId) {
    let Some(agent) = agent else { return std::future::pending().await };
    tracing::info!(%command, "cancelling command");
    loop {
        agent.cancel(command).await;
        tokio::time::sleep(CANCEL_AGAIN_AFTER).await;
    }
}

/// Returns whether a command whose lease is lost goes on elsewhere.
async fn has_other_runner(shared: &Shared, command: CommandId) -> bool {
    let get = || shared.ports.commands.get(Access::everything(), command);
    let command = shared.insist("get a command", get).await;
    command.is_some_and(|command| command.state.outcome().is_none())
}

/// Removes what is kept of a run that has ended.
async fn clean_up(shared: &Shared, agent: Option<&dyn CodeAgent>, command: CommandId) {
    forget(agent, command).await;
    shared.remove_worktree(command).await;
}

/// Has the agent remove what it keeps of a run.
pub(super) async fn forget(agent: Option<&dyn CodeAgent>, command: CommandId) {
    if let Some(agent) = agent
        && tokio::time::timeout(FORGET_TIMEOUT, agent.forget(command)).await.is_err()
    {
        tracing::warn!(%command, "agent does not forget the run in time");
    }
}
