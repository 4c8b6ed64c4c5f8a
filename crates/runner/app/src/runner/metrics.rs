//! Metrics, through the facade of the crate [`metrics`].

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use rdev_runner_domain::{AgentProvider, Outcome};

/// Metrics of a runner.
pub(super) struct Metrics {
    running: Gauge,
    attached: Counter,
    lost: Counter,
    leases_lost: Counter,
    events: Counter,
    deltas_dropped: Counter,
    batch: Histogram,
    commit: Histogram,
}

impl Metrics {
    pub(super) fn new(max_running: u32) -> Self {
        describe_gauge!("rdev_runner_running", "Commands that run in this process");
        describe_gauge!("rdev_runner_max_running", "Commands that may run at once, over all runners");
        describe_counter!(
            "rdev_runner_commands_started_total",
            "Commands that this runner started, by provider"
        );
        describe_counter!(
            "rdev_runner_commands_attached_total",
            "Commands that this runner continued after another one"
        );
        describe_counter!(
            "rdev_runner_commands_ended_total",
            "Commands whose result this runner stored, by provider and outcome"
        );
        describe_counter!(
            "rdev_runner_commands_lost_total",
            "Commands that no runner continued, found by this runner"
        );
        describe_counter!(
            "rdev_runner_leases_lost_total",
            "Runs that another runner took over, or that were lost, while this runner had them"
        );
        describe_counter!("rdev_runner_events_stored_total", "Events of commands that were stored");
        describe_counter!(
            "rdev_runner_text_deltas_dropped_total",
            "Text deltas that were not stored because the store was slow"
        );
        describe_histogram!("rdev_runner_record_batch_events", Unit::Count, "Events stored per transaction");
        describe_histogram!(
            "rdev_runner_record_commit_seconds",
            Unit::Seconds,
            "Duration of storing a batch of events"
        );
        gauge!("rdev_runner_max_running").set(max_running);
        Self {
            running: gauge!("rdev_runner_running"),
            attached: counter!("rdev_runner_commands_attached_total"),
            lost: counter!("rdev_runner_commands_lost_total"),
            leases_lost: counter!("rdev_runner_leases_lost_total"),
            events: counter!("rdev_runner_events_stored_total"),
            deltas_dropped: counter!("rdev_runner_text_deltas_dropped_total"),
            batch: histogram!("rdev_runner_record_batch_events"),
            commit: histogram!("rdev_runner_record_commit_seconds"),
        }
    }

    pub(super) fn running(&self, commands: usize) {
        self.running.set(commands as f64);
    }

    pub(super) fn started(&self, provider: &AgentProvider) {
        counter!("rdev_runner_commands_started_total", "provider" => provider.to_string()).increment(1);
    }

    pub(super) fn attached(&self) {
        self.attached.increment(1);
    }

    pub(super) fn ended(&self, provider: &AgentProvider, outcome: Outcome) {
        let outcome = outcome.reason().unwrap_or("completed");
        counter!("rdev_runner_commands_ended_total", "provider" => provider.to_string(), "outcome" => outcome)
            .increment(1);
    }

    pub(super) fn lost(&self, commands: usize) {
        self.lost.increment(commands as u64);
    }

    pub(super) fn lease_lost(&self) {
        self.leases_lost.increment(1);
    }

    pub(super) fn recorded(&self, events: usize, took: Duration) {
        self.events.increment(events as u64);
        self.batch.record(events as f64);
        self.commit.record(took);
    }

    pub(super) fn delta_dropped(&self) {
        self.deltas_dropped.increment(1);
    }
}
