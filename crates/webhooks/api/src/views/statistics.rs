//! A webhook's statistics as the API shows them.

use std::time::Duration;

use rdev_webhooks_domain::statistics::{AttemptCounts, Backlog, Histogram, Statistics};
use rdev_webhooks_domain::{DeliveryId, FailureClass, Timestamp, WebhookId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{CircuitView, Number, Text};
use crate::schema_types as types;

/// The delivery statistics of a webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookStatistics)]
pub(crate) struct StatisticsView {
    #[schema(value_type = types::WebhookId)]
    webhook_id: Text<WebhookId>,
    /// The start of the window, which is rounded up to whole buckets.
    #[schema(value_type = types::Timestamp)]
    since: Text<Timestamp>,
    #[schema(value_type = types::Timestamp)]
    until: Text<Timestamp>,
    deliveries: DeliveriesView,
    /// The share of successes among the deliveries that succeeded or failed, 0 to 1; `null` without any.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1, required)]
    success_rate: Option<Number>,
    attempts: AttemptsView,
    /// The latency of successful attempts.
    #[schema(required)]
    latency_ms: Option<QuantilesView>,
    /// The time from acceptance to success, for deliveries that an automatic attempt completed.
    #[schema(required)]
    time_to_success_ms: Option<QuantilesView>,
    pending: PendingView,
    circuit: CircuitView,
}

impl StatisticsView {
    pub(crate) fn new(id: WebhookId, read: &Statistics, circuit: CircuitView) -> Self {
        let sums = &read.sums;
        Self {
            webhook_id: Text(id),
            since: Text(read.span.since),
            until: Text(read.span.until),
            deliveries: DeliveriesView {
                succeeded: sums.succeeded,
                failed: sums.failed,
                cancelled: sums.cancelled,
            },
            success_rate: sums.success_rate().map(Number),
            attempts: AttemptsView {
                total: sums.attempts.total(),
                succeeded: sums.attempts.succeeded(),
                retries: sums.retries,
                failed: FailedView(sums.attempts),
            },
            latency_ms: QuantilesView::of(&sums.latency),
            time_to_success_ms: QuantilesView::of(&sums.time_to_success),
            pending: PendingView::new(&read.backlog, read.span.until),
            circuit,
        }
    }
}

/// The number of ended deliveries by outcome.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryStatistics)]
struct DeliveriesView {
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

/// The number of attempts.
#[derive(Serialize, ToSchema)]
#[schema(as = AttemptStatistics)]
struct AttemptsView {
    total: u64,
    succeeded: u64,
    /// Automatic attempts after the first of a delivery.
    retries: u64,
    /// Failed attempts by failure class.
    #[schema(value_type = BTreeMap<types::FailureClass, u64>)]
    failed: FailedView,
}

/// Counts of all failure classes, so that a reader need not distinguish an absent class from zero.
struct FailedView(AttemptCounts);

impl Serialize for FailedView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(FailureClass::ALL.len()))?;
        for (class, count) in self.0.failed() {
            map.serialize_entry(class.as_str(), &count)?;
        }
        map.end()
    }
}

/// The 50th, 95th and 99th percentile.
#[derive(Serialize, ToSchema)]
#[schema(as = Quantiles)]
struct QuantilesView {
    #[schema(value_type = f64, minimum = 0)]
    p50: Number,
    #[schema(value_type = f64, minimum = 0)]
    p95: Number,
    #[schema(value_type = f64, minimum = 0)]
    p99: Number,
}

impl QuantilesView {
    /// Returns `None` if nothing was counted.
    fn of(histogram: &Histogram) -> Option<Self> {
        let quantile = |part| histogram.quantile(part).map(Number::milliseconds);
        Some(Self { p50: quantile(0.5)?, p95: quantile(0.95)?, p99: quantile(0.99)? })
    }
}

/// The unfinished deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = Backlog)]
struct PendingView {
    count: u32,
    /// True if there are more than were counted.
    has_more: bool,
    #[schema(required)]
    oldest: Option<OldestView>,
}

/// The oldest unfinished delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = OldestDelivery)]
struct OldestView {
    #[schema(value_type = types::DeliveryId)]
    id: Text<DeliveryId>,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    #[schema(value_type = f64, minimum = 0)]
    age_ms: Number,
}

impl PendingView {
    fn new(backlog: &Backlog, now: Timestamp) -> Self {
        let oldest = backlog.oldest.map(|id| {
            let age: Duration = now.since(id.time());
            OldestView { id: Text(id), created_at: Text(id.time()), age_ms: Number::milliseconds(age) }
        });
        Self { count: backlog.count, has_more: backlog.has_more, oldest }
    }
}
