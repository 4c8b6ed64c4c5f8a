//! Looking the queue over now and then, for the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Unit, describe_gauge, gauge};
use rdev_webhooks_domain::ports::DeliveryQueue;
use rdev_webhooks_domain::{Circuit, QueueSurvey, WebhookId};
use tokio_util::sync::CancellationToken;

/// How often.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps the gauges of the queue and of the circuits. Every process that delivers does so, each of the
/// whole database.
pub struct Watch {
    queue: Arc<dyn DeliveryQueue>,
    unfinished: Gauge,
    oldest_due: Gauge,
    open: Gauge,
    half_open: Gauge,
    /// The circuits that were not closed at the last look.
    circuits: BTreeMap<WebhookId, Gauge>,
}

impl Watch {
    /// Watches over a queue.
    #[must_use]
    pub fn new(queue: Arc<dyn DeliveryQueue>) -> Self {
        describe_gauge!(
            "rdev_webhooks_queue_deliveries",
            "Deliveries in the database that are not finished, up to a million"
        );
        describe_gauge!(
            "rdev_webhooks_queue_oldest_due_seconds",
            Unit::Seconds,
            "For how long the longest due of those deliveries has been due that could be claimed"
        );
        describe_gauge!("rdev_webhooks_circuits", "Webhooks whose circuit is open or half open, by state");
        describe_gauge!(
            "rdev_webhooks_webhook_circuit",
            "A webhook's circuit, if it was not closed lately: 0 closed, 1 half open, 2 open"
        );
        Self {
            queue,
            unfinished: gauge!("rdev_webhooks_queue_deliveries"),
            oldest_due: gauge!("rdev_webhooks_queue_oldest_due_seconds"),
            open: gauge!("rdev_webhooks_circuits", "state" => "open"),
            half_open: gauge!("rdev_webhooks_circuits", "state" => "half_open"),
            circuits: BTreeMap::new(),
        }
    }

    /// Works until `drain`.
    pub async fn run(mut self, drain: CancellationToken) {
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = self.look() => {}
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn look(&mut self) {
        match self.queue.survey().await {
            Ok(survey) => self.show(&survey),
            // The scheduler warns of a database that is away; the gauges stay as they were.
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the queue could not be looked over"
                );
            }
        }
    }

    fn show(&mut self, survey: &QueueSurvey) {
        self.unfinished.set(survey.unfinished as f64);
        self.oldest_due.set(survey.oldest_due.unwrap_or_default());
        let mut before = std::mem::take(&mut self.circuits);
        let (mut open, mut half_open) = (0_u32, 0_u32);
        for (webhook, circuit) in &survey.circuits {
            let value = match circuit {
                Circuit::Open { .. } => {
                    open += 1;
                    2.0
                }
                Circuit::HalfOpen => {
                    half_open += 1;
                    1.0
                }
                Circuit::Closed => 0.0,
            };
            let gauge = before
                .remove(webhook)
                .unwrap_or_else(|| gauge!("rdev_webhooks_webhook_circuit", "webhook" => webhook.to_string()));
            gauge.set(value);
            self.circuits.insert(*webhook, gauge);
        }
        for closed in before.into_values() {
            closed.set(0.0);
        }
        self.open.set(open);
        self.half_open.set(half_open);
    }
}
