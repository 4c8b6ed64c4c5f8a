//! Measures the queue at intervals, for the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Gauge, Unit, describe_gauge, gauge};
use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_webhooks_domain::ports::DeliveryQueue;
use rdev_webhooks_domain::{Circuit, QueueStats, WebhookId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The interval between two surveys.
const INTERVAL: Duration = Duration::from_secs(10);

/// The interval at which the ages grow between surveys, and while the database is unavailable.
const TICK: Duration = Duration::from_secs(1);

/// Updates the gauges of the queue and of the circuits. Every process does so, each for the whole database.
pub struct QueueMonitor {
    queue: Arc<dyn DeliveryQueue>,
    unfinished: Gauge,
    oldest_due: Gauge,
    open: Gauge,
    half_open: Gauge,
    survey_age: Gauge,
    /// When the last survey succeeded, and for how long a delivery had been due then.
    surveyed: (Instant, Duration),
    next_survey: Instant,
    outages: Outages,
    stagger: Stagger,
    /// The circuits that were not closed at the last survey.
    circuits: BTreeMap<WebhookId, Gauge>,
}

impl QueueMonitor {
    /// Creates a task that surveys a queue.
    #[must_use]
    pub fn new(queue: Arc<dyn DeliveryQueue>, outages: Outages) -> Self {
        describe_gauge!(
            "rdev_webhooks_queue_deliveries",
            "Unfinished deliveries in the database, up to a million"
        );
        describe_gauge!(
            "rdev_webhooks_queue_oldest_due_seconds",
            Unit::Seconds,
            "For how long the longest due of those deliveries has been due that could be claimed; while the \
             queue cannot be surveyed, that and the time since"
        );
        describe_gauge!(
            "rdev_webhooks_queue_survey_age_seconds",
            Unit::Seconds,
            "Time since the queue was last measured successfully, or since measuring began"
        );
        describe_gauge!("rdev_webhooks_circuits", "Webhooks whose circuit is open or half open, by state");
        describe_gauge!(
            "rdev_webhooks_webhook_circuit",
            "The circuit of a webhook that was not closed recently: 0 closed, 1 half open, 2 open"
        );
        Self {
            queue,
            unfinished: gauge!("rdev_webhooks_queue_deliveries"),
            oldest_due: gauge!("rdev_webhooks_queue_oldest_due_seconds"),
            open: gauge!("rdev_webhooks_circuits", "state" => "open"),
            half_open: gauge!("rdev_webhooks_circuits", "state" => "half_open"),
            survey_age: gauge!("rdev_webhooks_queue_survey_age_seconds"),
            surveyed: (Instant::now(), Duration::ZERO),
            next_survey: Instant::now(),
            outages,
            stagger: Stagger::default(),
            circuits: BTreeMap::new(),
        }
    }

    /// Delays the first survey.
    #[must_use]
    pub fn with_stagger(mut self, stagger: Stagger) -> Self {
        self.stagger = stagger;
        self
    }

    /// Runs until `drain`.
    pub async fn run(mut self, drain: CancellationToken) {
        self.next_survey = Instant::now() + self.stagger.delay(INTERVAL);
        repeat(self, Duration::ZERO, &drain).await;
    }

    async fn survey(&mut self) {
        let queue = Arc::clone(&self.queue);
        // The ages grow however long the database takes.
        match self.ageing(queue.survey()).await {
            Ok(survey) => {
                self.outages.worked("survey");
                self.surveyed = (Instant::now(), survey.oldest_due.unwrap_or_default());
                self.show(&survey);
            }
            Err(error) => {
                self.outages.store_failed("survey", &error);
            }
        }
    }

    /// Waits for a future, and lets the ages grow in the meantime.
    async fn ageing<T>(&self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            self.show_ages();
            if let Ok(done) = tokio::time::timeout(TICK, &mut awaited).await {
                return done;
            }
        }
    }

    /// Updates the ages. Between two surveys the due deliveries may have been claimed; after a failed
    /// survey the oldest is assumed to be still due.
    fn show_ages(&self) {
        let (at, oldest_due) = self.surveyed;
        let age = at.elapsed();
        self.survey_age.set(age);
        let unknown_for = age.saturating_sub(INTERVAL + TICK);
        if !unknown_for.is_zero() {
            self.oldest_due.set(oldest_due + age);
        }
    }

    fn show(&mut self, survey: &QueueStats) {
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

impl Periodic for QueueMonitor {
    async fn run_once(&mut self) -> Duration {
        self.show_ages();
        if Instant::now() >= self.next_survey {
            self.survey().await;
            self.next_survey = Instant::now() + INTERVAL;
        }
        TICK.min(self.next_survey.saturating_duration_since(Instant::now()))
    }
}
