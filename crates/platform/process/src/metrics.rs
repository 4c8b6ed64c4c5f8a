//! Collects metrics and renders them for Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

/// The buckets of times, from a fraction of a millisecond to an hour.
const SECONDS: [f64; 20] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 600.0, 1_800.0, 3_600.0,
];

/// The buckets of counts: the sizes of batches.
const COUNTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];

/// The interval at which observations are summed up without a request for metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// All metrics of this process: those that its parts record, and those that the system reports about it.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    process: Collector,
}

/// The error if the metrics of this process are already collected.
#[derive(Debug, thiserror::Error)]
#[error("metrics are already collected in this process")]
pub struct AlreadyCollected;

impl Metrics {
    /// Starts to collect observations. Histograms have buckets: of times if their names end with `_seconds`,
    /// otherwise of counts.
    ///
    /// # Errors
    ///
    /// Fails with [`AlreadyCollected`] if this process already collects metrics.
    pub fn install() -> Result<Self, AlreadyCollected> {
        let recorded = PrometheusBuilder::new()
            .set_buckets(&COUNTS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS))
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|_| AlreadyCollected)?;
        let process = Collector::default();
        process.describe();
        Ok(Self { recorded, process })
    }

    /// Renders all metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.recorded.render()
    }

    /// Bounds the memory of observations while no metrics are requested. Runs until it is dropped.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.recorded.run_upkeep();
        }
    }
}
