//! The tasks that send.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use rdev_webhooks_domain::delivery::MAX_TAKEOVERS;
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{
    Attempt, DeliveryId, FailureReason, HealthEffect, LeaseRef, LeasedDelivery, Settled, Settlement,
    WebhookId,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::local_faults::LocalFaults;
use super::redact::redact;
use super::{decide, prepare};
use crate::measures::Attempts;
use crate::{Ambient, Statistics};

/// A claimed delivery, since when it is claimed and until when the claim holds, by this process's own clock.
pub(super) struct Job {
    pub(super) leased: LeasedDelivery,
    pub(super) claimed: Instant,
    pub(super) lease_ends: Instant,
}

/// What the settler is to do about a delivery.
pub(super) struct Outcome {
    pub(super) webhook: WebhookId,
    /// The pool task whose slot it held.
    pub(super) task: usize,
    pub(super) action: Action,
}

pub(super) enum Action {
    /// Record this.
    Settle(Box<Settlement>),
    /// Give it back unused.
    Release(LeaseRef),
    /// Give it back unused, and pause its webhook: this host could not make the attempt.
    NotAttempted(LeaseRef),
    /// Nothing: its lease is to expire.
    Forget,
}

/// One task of the pool. It drives its deliveries at the same time, without a task for each.
pub(super) struct PoolTask {
    pub(super) index: usize,
    pub(super) dispatcher: Arc<dyn Dispatcher>,
    pub(super) ambient: Ambient,
    pub(super) max_in_flight: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) measures: Arc<Attempts>,
    pub(super) local_faults: Arc<LocalFaults>,
    pub(super) statistics: Statistics,
}

impl PoolTask {
    /// Works until there are no more jobs, or until `abort`; answers the leases that it then still held.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>, abort: CancellationToken) -> Vec<LeaseRef> {
        let mut held: HashMap<DeliveryId, LeaseRef> = HashMap::new();
        let mut running = FuturesUnordered::new();
        let mut open = true;
        while open || !running.is_empty() {
            tokio::select! {
                biased;
                () = abort.cancelled() => break,
                Some(done) = running.next(), if !running.is_empty() => {
                    let (lease, outcome): (LeaseRef, Outcome) = done;
                    held.remove(&lease.delivery);
                    // The settler outlives every task of the pool, and has room for every delivery.
                    if self.outcomes.send(outcome).await.is_err() {
                        break;
                    }
                }
                job = jobs.recv(), if open && running.len() < self.max_in_flight => match job {
                    Some(job) => {
                        let lease = job.leased.lease;
                        held.insert(lease.delivery, lease);
                        running.push(self.attempt(job));
                    }
                    None => open = false,
                },
            }
        }
        jobs.close();
        let mut left: Vec<_> = held.into_values().collect();
        while let Ok(job) = jobs.try_recv() {
            left.push(job.leased.lease);
        }
        left
    }

    async fn attempt(&self, job: Job) -> (LeaseRef, Outcome) {
        let webhook = job.leased.target.webhook_id;
        let lease = job.leased.lease;
        // A defect in one attempt must not take the task and its other deliveries with it.
        let action = AssertUnwindSafe(self.send(job)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(delivery = %lease.delivery, "an attempt panicked; the delivery is tried again when its lease ends");
            Action::Forget
        });
        (lease, Outcome { webhook, task: self.index, action })
    }

    async fn send(&self, job: Job) -> Action {
        let leased = &job.leased;
        let lease = leased.lease;
        if leased.takeovers > 0 {
            // The claim has recorded the attempt of the worker that died.
            self.statistics.abandoned(leased.target.webhook_id);
        }
        if leased.takeovers > MAX_TAKEOVERS {
            let settled = Settled::Failed(FailureReason::Abandoned);
            return Action::Settle(Box::new(Settlement {
                lease,
                settled,
                attempt: None,
                gone: None,
                health: HealthEffect::None,
            }));
        }
        let started_at = self.ambient.now();
        let prepared = prepare(leased, started_at, self.delivery_timeout);
        // A process that was stopped for a while comes back with claims that others have taken over.
        if Instant::now() + prepared.request.deadline > job.lease_ends {
            return Action::Release(lease);
        }
        self.measures.claimed(leased.overdue);
        let mut report = match self.dispatcher.send(prepared.request).await {
            Ok(report) => report,
            Err(fault) => {
                self.local_faults.not_attempted(&fault);
                return Action::NotAttempted(lease);
            }
        };
        self.local_faults.attempted();
        let ended_at = self.ambient.now();
        self.measures.ended(&report.outcome, report.duration, ended_at.since(leased.event_id.time()));
        // Due times are the store's, so what the endpoint asks for is set against the store's clock.
        let store_now = leased.claimed_at + job.claimed.elapsed();
        let decision = decide(leased, &report.outcome, store_now, self.ambient.entropy.fraction());
        log(leased, &report.outcome, report.duration, decision.settled);
        if let Some(response) = &mut report.outcome.response {
            redact(response, report.outcome.failure.is_some(), &leased.target.headers);
        }
        Action::Settle(Box::new(Settlement {
            lease,
            settled: decision.settled,
            attempt: Some(Attempt {
                number: leased.attempt,
                trigger: leased.trigger,
                started_at,
                duration: report.duration,
                phases: report.phases,
                signature: prepared.signature,
                outcome: report.outcome,
            }),
            gone: decision.gone.then_some(leased.target.version),
            health: decision.health,
        }))
    }
}

fn log(
    leased: &LeasedDelivery,
    outcome: &rdev_webhooks_domain::AttemptOutcome,
    duration: Duration,
    settled: Settled,
) {
    let duration_ms = milliseconds(duration);
    let (delivery, webhook, attempt) = (leased.lease.delivery, leased.target.webhook_id, leased.attempt);
    match &outcome.failure {
        None => tracing::debug!(%delivery, %webhook, attempt, duration_ms, "delivered"),
        Some(failure) => {
            let (next, retry_in_ms) = match settled {
                Settled::RetryAfter(wait) => ("retry", Some(milliseconds(wait))),
                Settled::Resumed => ("the retry that was due already", None),
                Settled::Failed(reason) => (reason.as_str(), None),
                Settled::Succeeded => ("none", None),
            };
            tracing::info!(
                %delivery, %webhook, attempt, duration_ms, class = failure.class.as_str(),
                detail = failure.detail, next, retry_in_ms, "an attempt failed"
            );
        }
    }
}

/// A duration as a number for the log.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
