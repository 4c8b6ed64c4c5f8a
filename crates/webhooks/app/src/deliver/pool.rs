//! The tasks of the pool, which send requests.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use rdev_app::Ambient;
use rdev_webhooks_domain::delivery::MAX_ABANDONED;
use rdev_webhooks_domain::ports::{DispatchReport, Dispatcher};
use rdev_webhooks_domain::{
    Attempt, AttemptOutcome, FailureClass, FailureReason, HealthEffect, LeaseRef, LeasedDelivery, Phases,
    Settled, Settlement, Timestamp, WebhookId,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use super::local_faults::LocalFaults;
use super::permits::Place;
use super::progress::{Ended, Progress};
use super::redact::redact;
use super::{decide, prepare};
use crate::Statistics;
use crate::metrics::Attempts;
use crate::spans::{milliseconds, record_duration, record_phase, unless_in};

/// A claimed delivery with the begin and the end of its lease, by this process's own clock.
pub(super) struct Job {
    pub(super) leased: LeasedDelivery,
    pub(super) claimed: Instant,
    pub(super) lease_ends: Instant,
    /// The number of its flight.
    pub(super) flight: u64,
    /// Its place in the line for an attempt.
    pub(super) place: Place,
    /// True if the webhook has a rate or a cap of its own.
    pub(super) is_limited: bool,
}

/// The end of a job, and what the settler must do with its delivery.
pub(super) struct Outcome {
    pub(super) webhook: WebhookId,
    pub(super) action: Action,
    /// True if the webhook has a rate or a cap of its own.
    pub(super) is_limited: bool,
}

impl Outcome {
    /// True if nothing depends on when it is recorded: the delivery has succeeded, and the store counts it for no limit.
    pub(super) fn may_wait(&self) -> bool {
        !self.is_limited
            && matches!(&self.action, Action::Settle(settlement)
                if settlement.settled == Settled::Succeeded && settlement.health == HealthEffect::Succeeded)
    }
}

pub(super) enum Action {
    /// Record this settlement.
    Settle(Box<Settlement>),
    /// Release the lease unused.
    Release(LeaseRef),
    /// Release the lease unused and pause the webhook: this host could not make the attempt.
    NotAttempted(LeaseRef),
    /// Do nothing: the lease expires.
    Forget,
}

/// A task of the pool. It drives its deliveries concurrently, without a task for each.
pub(super) struct PoolTask {
    pub(super) dispatcher: Arc<dyn Dispatcher>,
    pub(super) ambient: Ambient,
    pub(super) delivery_timeout: Duration,
    pub(super) progress: mpsc::Sender<Progress>,
    pub(super) outcomes: mpsc::Sender<Outcome>,
    pub(super) metrics: Arc<Attempts>,
    pub(super) local_faults: Arc<LocalFaults>,
    pub(super) statistics: Statistics,
}

impl PoolTask {
    /// Runs until no more jobs come. On `abort` it begins no more jobs, interrupts its attempts, and returns
    /// the leases of the jobs that it did not begin.
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>, abort: CancellationToken) -> Vec<LeaseRef> {
        // A token for this task alone: the attempts of all tasks would contend for one lock.
        let cut_off = CancellationToken::new();
        let mut running = FuturesUnordered::new();
        let mut left = Vec::new();
        let mut open = true;
        while open || !running.is_empty() {
            tokio::select! {
                biased;
                () = abort.cancelled(), if !cut_off.is_cancelled() => {
                    cut_off.cancel();
                    open = false;
                    jobs.close();
                    while let Ok(job) = jobs.try_recv() {
                        left.push(job.leased.lease);
                    }
                }
                Some(ended) = running.next(), if !running.is_empty() => {
                    let (flight, outcome): (u64, Outcome) = ended;
                    // When the worker drains, the scheduler has ended and the slot is not needed.
                    let ended = Ended::new(flight, &outcome.action);
                    let _ = self.progress.send(Progress::Ended(ended)).await;
                    // The settler outlives every pool task, and its channel has room for every delivery.
                    if self.outcomes.send(outcome).await.is_err() {
                        break;
                    }
                }
                job = jobs.recv(), if open => match job {
                    Some(job) => running.push(self.attempt(job, &cut_off)),
                    None => open = false,
                },
            }
        }
        left
    }

    /// Returns the number of the flight and its outcome.
    async fn attempt(&self, job: Job, cut_off: &CancellationToken) -> (u64, Outcome) {
        let webhook = job.leased.target.webhook_id;
        let lease = job.leased.lease;
        let (flight, is_limited) = (job.flight, job.is_limited);
        let span = span(&job.leased);
        let sending = self.send(job, cut_off, &span).instrument(span.clone());
        // A panic in one attempt must not end the task and its other deliveries.
        let action = AssertUnwindSafe(sending).catch_unwind().await.unwrap_or_else(|_| {
            let delivery = unless_in(&span, lease.delivery);
            let _entered = span.enter();
            tracing::error!(delivery, "attempt panicked; delivery will be retried when its lease expires");
            Action::Forget
        });
        (flight, Outcome { webhook, action, is_limited })
    }

    async fn send(&self, mut job: Job, cut_off: &CancellationToken, span: &Span) -> Action {
        let leased = &job.leased;
        let lease = leased.lease;
        if leased.abandoned_count > 0 {
            // The claim has recorded the abandoned attempt of the other worker.
            self.statistics.abandoned(leased.target.webhook_id);
        }
        if leased.abandoned_count > MAX_ABANDONED {
            let settled = Settled::Failed(FailureReason::Abandoned);
            return Action::Settle(Box::new(Settlement {
                lease,
                settled,
                attempt: None,
                gone: None,
                health: HealthEffect::None,
            }));
        }
        let permit = tokio::select! {
            biased;
            permit = job.place.permit() => permit,
            () = cut_off.cancelled() => None,
        };
        let Some(_permit) = permit else { return Action::Release(lease) };
        let started_at = self.ambient.now();
        let prepared = prepare(leased, started_at, self.delivery_timeout);
        // A process that was suspended may resume with leases that other workers have taken over.
        if Instant::now() + prepared.request.deadline > job.lease_ends {
            return Action::Release(lease);
        }
        self.metrics.claimed(leased.overdue);
        // The request holds the body as long as it is needed. A parked attempt may last longer.
        job.leased.body = Bytes::new();
        let leased = &job.leased;
        let sent = tokio::select! {
            biased;
            sent = self.dispatcher.send(prepared.request) => sent,
            () = cut_off.cancelled() => {
                let duration = self.ambient.now().since(started_at);
                return Action::Settle(Box::new(interrupted(leased, started_at, duration, prepared.signature)));
            }
        };
        let mut report = match sent {
            Ok(report) => report,
            Err(fault) => {
                self.local_faults.not_attempted(&fault);
                return Action::NotAttempted(lease);
            }
        };
        self.local_faults.attempted();
        let ended_at = self.ambient.now();
        self.metrics.ended(&report.outcome, report.duration, ended_at.since(leased.event_id.time()));
        // Due times are by the store's clock, so `Retry-After` counts by it too.
        let store_now = leased.claimed_at + job.claimed.elapsed();
        let jitter = self.ambient.entropy.fraction();
        let decision = decide(leased, &report.outcome, report.duration, store_now, jitter);
        record(span, &report);
        log(span, leased, &report, decision.settled);
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

/// Returns the settlement of an attempt that was interrupted because the worker ends.
fn interrupted(
    leased: &LeasedDelivery,
    started_at: Timestamp,
    duration: Duration,
    signature: String,
) -> Settlement {
    let outcome = AttemptOutcome::failed(FailureClass::Abandoned, Attempt::INTERRUPTED);
    let attempt = Attempt {
        number: leased.attempt,
        trigger: leased.trigger,
        started_at,
        duration,
        phases: Phases::default(),
        signature,
        outcome,
    };
    Settlement {
        lease: leased.lease,
        settled: Settled::Interrupted,
        attempt: Some(attempt),
        gone: None,
        health: HealthEffect::None,
    }
}

/// Creates the span of an attempt. [`record`] adds how it ended.
fn span(leased: &LeasedDelivery) -> Span {
    let (delivery, webhook) = (leased.lease.delivery, leased.target.webhook_id);
    tracing::debug_span!(
        "delivery.attempt",
        %delivery,
        %webhook,
        attempt = leased.attempt,
        outcome = field::Empty,
        duration_ms = field::Empty,
        dns_ms = field::Empty,
        connect_ms = field::Empty,
        tls_ms = field::Empty,
        first_byte_ms = field::Empty,
    )
}

fn record(span: &Span, report: &DispatchReport) {
    if span.is_disabled() {
        return;
    }
    let failure = report.outcome.failure.as_ref();
    span.record("outcome", failure.map_or("success", |failure| failure.class.as_str()));
    record_duration(span, report.duration);
    record_phase(span, "dns_ms", report.phases.dns);
    record_phase(span, "connect_ms", report.phases.connect);
    record_phase(span, "tls_ms", report.phases.tls);
    record_phase(span, "first_byte_ms", report.phases.first_byte);
}

fn log(span: &Span, leased: &LeasedDelivery, report: &DispatchReport, settled: Settled) {
    match &report.outcome.failure {
        None => tracing::debug!("attempt succeeded"),
        Some(failure) => {
            let (next, retry_in_ms) = match settled {
                Settled::RetryAfter(wait) => ("retry", Some(milliseconds(wait))),
                Settled::Resumed | Settled::Interrupted => ("pending_retry", None),
                Settled::Failed(reason) => (reason.as_str(), None),
                Settled::Succeeded => ("none", None),
            };
            let (delivery, webhook) = (leased.lease.delivery, leased.target.webhook_id);
            let outside = span.is_disabled();
            tracing::info!(
                delivery = unless_in(span, delivery),
                webhook = unless_in(span, webhook),
                attempt = outside.then_some(leased.attempt),
                duration_ms = outside.then(|| milliseconds(report.duration)),
                class = failure.class.as_str(),
                detail = failure.detail,
                next,
                retry_in_ms,
                "attempt failed"
            );
        }
    }
}
