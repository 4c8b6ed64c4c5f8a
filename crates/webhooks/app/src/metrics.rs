//! Metrics, through the facade of the crate [`metrics`]. A process that installs a recorder before it builds
//! the system collects them. Without a recorder they cost almost nothing.
//!
//! Each part of the system creates its handles once, so that measuring allocates nothing.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use rdev_webhooks_domain::ports::{LocalCause, StoreError};
use rdev_webhooks_domain::{AttemptOutcome, FailureClass, FailureReason, Published, Settled};

/// Metrics of publishing.
pub(crate) struct Publishing {
    events: Counter,
    repeated: Counter,
    deliveries: Counter,
    unavailable: Counter,
    refused: Counter,
    busy: Counter,
    batch: Histogram,
    commit: Histogram,
}

impl Publishing {
    pub(crate) fn new() -> Self {
        describe_counter!("rdev_webhooks_events_published_total", "Events stored with all their deliveries");
        describe_counter!(
            "rdev_webhooks_events_repeated_total",
            "Repeated events, recognized by the producer's own id, that added nothing"
        );
        describe_counter!("rdev_webhooks_deliveries_created_total", "Deliveries created with their events");
        describe_counter!(
            "rdev_webhooks_publish_failures_total",
            "Events that were not accepted, by reason: the database was `unavailable` or `refused` them, or too \
             many were waiting (`busy`)"
        );
        describe_histogram!("rdev_webhooks_publish_batch_events", Unit::Count, "Events per commit");
        describe_histogram!(
            "rdev_webhooks_publish_commit_seconds",
            Unit::Seconds,
            "Duration of a commit of events"
        );
        Self {
            events: counter!("rdev_webhooks_events_published_total"),
            repeated: counter!("rdev_webhooks_events_repeated_total"),
            deliveries: counter!("rdev_webhooks_deliveries_created_total"),
            unavailable: counter!("rdev_webhooks_publish_failures_total", "reason" => "unavailable"),
            refused: counter!("rdev_webhooks_publish_failures_total", "reason" => "refused"),
            busy: counter!("rdev_webhooks_publish_failures_total", "reason" => "busy"),
            batch: histogram!("rdev_webhooks_publish_batch_events"),
            commit: histogram!("rdev_webhooks_publish_commit_seconds"),
        }
    }

    /// Counts a stored batch.
    pub(crate) fn stored(&self, published: &[Published], took: Duration) {
        let fresh = published.iter().filter(|one| !one.duplicate);
        let (mut events, mut deliveries) = (0, 0);
        for one in fresh {
            events += 1;
            deliveries += u64::from(one.deliveries);
        }
        self.events.increment(events);
        self.repeated.increment(published.len() as u64 - events);
        self.deliveries.increment(deliveries);
        self.batch.record(published.len() as f64);
        self.commit.record(took);
    }

    /// Counts a batch of `events` events that was not stored.
    pub(crate) fn failed(&self, events: usize, error: &StoreError) {
        let counter = match error {
            StoreError::Unavailable(_) => &self.unavailable,
            _ => &self.refused,
        };
        counter.increment(events as u64);
    }

    /// Returns the counter of events that are rejected because too many wait.
    pub(crate) fn busy(&self) -> Counter {
        self.busy.clone()
    }
}

/// Metrics of attempts.
pub(crate) struct Attempts {
    succeeded: Outcome,
    failed: Vec<(FailureClass, Outcome)>,
    lateness: Histogram,
    latency: Histogram,
}

struct Outcome {
    count: Counter,
    duration: Histogram,
}

impl Outcome {
    fn new(name: &'static str) -> Self {
        Self {
            count: counter!("rdev_webhooks_attempts_total", "outcome" => name),
            duration: histogram!("rdev_webhooks_attempt_duration_seconds", "outcome" => name),
        }
    }

    fn add(&self, took: Duration) {
        self.count.increment(1);
        self.duration.record(took);
    }
}

impl Attempts {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "rdev_webhooks_attempts_total",
            "Attempts by outcome: `success` or the failure class"
        );
        describe_histogram!(
            "rdev_webhooks_attempt_duration_seconds",
            Unit::Seconds,
            "Duration of attempts, from name resolution to the last byte of the response"
        );
        describe_histogram!(
            "rdev_webhooks_delivery_lateness_seconds",
            Unit::Seconds,
            "How long deliveries were overdue when they were claimed"
        );
        describe_histogram!(
            "rdev_webhooks_delivery_latency_seconds",
            Unit::Seconds,
            "Time from the acceptance of an event to its successful delivery, including all attempts and waits"
        );
        Self {
            succeeded: Outcome::new("success"),
            failed: FailureClass::ALL.map(|class| (class, Outcome::new(class.as_str()))).into(),
            lateness: histogram!("rdev_webhooks_delivery_lateness_seconds"),
            latency: histogram!("rdev_webhooks_delivery_latency_seconds"),
        }
    }

    /// Records how long a claimed delivery had been overdue.
    pub(crate) fn claimed(&self, overdue: Duration) {
        self.lateness.record(overdue);
    }

    /// Records the end of an attempt and the time since its event was accepted.
    pub(crate) fn ended(&self, outcome: &AttemptOutcome, took: Duration, since_accepted: Duration) {
        match &outcome.failure {
            None => {
                self.succeeded.add(took);
                self.latency.record(since_accepted);
            }
            Some(failure) => {
                if let Some((_, failed)) = self.failed.iter().find(|(class, _)| *class == failure.class) {
                    failed.add(took);
                }
            }
        }
    }
}

/// Metrics of attempts that this host could not make.
pub(crate) struct LocalFaultCounters(Vec<(LocalCause, Counter)>);

impl LocalFaultCounters {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "rdev_webhooks_local_faults_total",
            "Attempts that this host could not make, by cause; their deliveries wait without using up an attempt"
        );
        let counter =
            |cause: LocalCause| counter!("rdev_webhooks_local_faults_total", "cause" => cause.as_str());
        Self(LocalCause::ALL.map(|cause| (cause, counter(cause))).into())
    }

    pub(crate) fn increment(&self, cause: LocalCause) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == cause) {
            counter.increment(1);
        }
    }
}

/// Metrics of the settler.
pub(crate) struct Settling {
    succeeded: Counter,
    failed: Vec<(FailureReason, Counter)>,
    retried: Counter,
    lost: Counter,
    refused: Counter,
    batch: Histogram,
    commit: Histogram,
}

impl Settling {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "rdev_webhooks_deliveries_finished_total",
            "Deliveries that workers finished, by status and reason"
        );
        describe_counter!("rdev_webhooks_retries_total", "Failed attempts that are retried");
        describe_counter!(
            "rdev_webhooks_leases_lost_total",
            "Results that came too late: another worker had taken over the delivery"
        );
        describe_counter!(
            "rdev_webhooks_outcomes_refused_total",
            "Results that the database rejected; their deliveries are sent again"
        );
        describe_histogram!(
            "rdev_webhooks_settle_batch_outcomes",
            Unit::Count,
            "Results recorded per transaction"
        );
        describe_histogram!(
            "rdev_webhooks_settle_commit_seconds",
            Unit::Seconds,
            "Duration of recording a batch of results"
        );
        let finished = |status, reason| counter!("rdev_webhooks_deliveries_finished_total", "status" => status, "reason" => reason);
        Self {
            succeeded: finished("succeeded", ""),
            failed: FailureReason::ALL
                .iter()
                .map(|reason| (*reason, finished("failed", reason.as_str())))
                .collect(),
            retried: counter!("rdev_webhooks_retries_total"),
            lost: counter!("rdev_webhooks_leases_lost_total"),
            refused: counter!("rdev_webhooks_outcomes_refused_total"),
            batch: histogram!("rdev_webhooks_settle_batch_outcomes"),
            commit: histogram!("rdev_webhooks_settle_commit_seconds"),
        }
    }

    /// Records a batch that was sent to the database.
    pub(crate) fn recorded(&self, outcomes: usize, took: Duration) {
        self.batch.record(outcomes as f64);
        self.commit.record(took);
    }

    /// Counts an outcome that the database rejected.
    pub(crate) fn refused(&self) {
        self.refused.increment(1);
    }

    /// Counts a settled outcome, or one that came too late.
    pub(crate) fn settled(&self, settled: Settled, applied: bool) {
        match settled {
            _ if !applied => self.lost.increment(1),
            Settled::Succeeded => self.succeeded.increment(1),
            Settled::Failed(reason) => {
                if let Some((_, failed)) = self.failed.iter().find(|(known, _)| *known == reason) {
                    failed.increment(1);
                }
            }
            Settled::RetryAfter(_) | Settled::Resumed | Settled::Interrupted => self.retried.increment(1),
        }
    }
}

/// Metrics of the pool's slots and the scheduler's claims.
pub(crate) struct Scheduling {
    in_flight: Gauge,
    parked: Gauge,
    unrecorded: Gauge,
    batch: Histogram,
}

impl Scheduling {
    pub(crate) fn new(slots: usize) -> Self {
        describe_gauge!("rdev_webhooks_in_flight", "Deliveries that hold a slot in this process's pool");
        describe_gauge!(
            "rdev_webhooks_parked",
            "Attempts that continue without a slot because their endpoints have not responded for long"
        );
        describe_gauge!(
            "rdev_webhooks_unrecorded",
            "Deliveries whose attempts have ended and whose outcomes are not recorded yet"
        );
        describe_gauge!("rdev_webhooks_slots", "Deliveries that the pool may have in flight");
        describe_histogram!(
            "rdev_webhooks_claim_batch_deliveries",
            Unit::Count,
            "Deliveries claimed per statement"
        );
        gauge!("rdev_webhooks_slots").set(slots as f64);
        Self {
            in_flight: gauge!("rdev_webhooks_in_flight"),
            parked: gauge!("rdev_webhooks_parked"),
            unrecorded: gauge!("rdev_webhooks_unrecorded"),
            batch: histogram!("rdev_webhooks_claim_batch_deliveries"),
        }
    }

    pub(crate) fn in_flight(&self, in_slots: usize, parked: usize) {
        self.in_flight.set(in_slots as f64);
        self.parked.set(parked as f64);
    }

    pub(crate) fn unrecorded(&self, deliveries: usize) {
        self.unrecorded.set(deliveries as f64);
    }

    pub(crate) fn claimed(&self, deliveries: usize) {
        self.batch.record(deliveries as f64);
    }
}
