//! Recording of attempts with any result.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, CancelReason, DeliveryStatus, DisabledReason, FailureReason, HealthEffect, Settled, Settlement,
    WakeUp, WantedReports, health,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{Recorded, report};
use crate::convert::{to_i32, to_micros_up, to_nanos, to_sql_time, without_nul};
use crate::store::Inner;
use crate::webhooks::health::publish_disabled;

/// The value for an interrupted attempt: the delivery returns to its state before the claim.
const INTERRUPTED: i64 = -1;

/// The settlements' columns.
#[derive(Default)]
struct Columns {
    id: Vec<Uuid>,
    token: Vec<i64>,
    /// The outcome of the delivery; `None` if it is not finished.
    status: Vec<Option<&'static str>>,
    reason: Vec<Option<&'static str>>,
    /// The wait until the retry; `None` if a retry was waiting, [`INTERRUPTED`] if the attempt does not
    /// count.
    wait_us: Vec<Option<i64>>,
    /// The version of the webhook whose endpoint is gone; `None` if it is not.
    gone: Vec<Option<i64>>,
    /// What the attempt says about the endpoint.
    health: Vec<&'static str>,
    /// The attempt; `None` if there was none.
    number: Vec<Option<i32>>,
    trigger: Vec<Option<&'static str>>,
    started_at: Vec<Option<DateTime<Utc>>>,
    duration_ns: Vec<Option<i64>>,
    dns_ns: Vec<Option<i64>>,
    connect_ns: Vec<Option<i64>>,
    tls_ns: Vec<Option<i64>>,
    first_byte_ns: Vec<Option<i64>>,
    signature: Vec<Option<String>>,
    response_status: Vec<Option<i32>>,
    response_headers: Vec<Option<String>>,
    response_body: Vec<Option<Vec<u8>>>,
    response_truncated: Vec<Option<bool>>,
    failure_class: Vec<Option<&'static str>>,
    failure_detail: Vec<Option<String>>,
    last_attempt: Vec<Option<String>>,
}

impl Columns {
    fn of<'a>(settlements: impl Iterator<Item = &'a Settlement>) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for settlement in settlements {
            columns.push(settlement)?;
        }
        Ok(columns)
    }

    fn push(&mut self, settlement: &Settlement) -> Result<(), StoreError> {
        self.id.push(settlement.lease.delivery.as_uuid());
        self.token.push(settlement.lease.token.as_i64());
        // No webhook has a version beyond the database's numbers.
        self.gone.push(settlement.gone.map(|version| i64::try_from(version).unwrap_or(-1)));
        self.health.push(match settlement.health {
            HealthEffect::None => "none",
            HealthEffect::Succeeded => "succeeded",
            HealthEffect::Rejected => "rejected",
            HealthEffect::Unavailable => "unavailable",
            HealthEffect::Silent => "silent",
        });
        let (status, reason, wait) = match settlement.settled {
            Settled::Succeeded => (Some(DeliveryStatus::Succeeded), None, None),
            Settled::Failed(reason) => (Some(DeliveryStatus::Failed), Some(reason), None),
            Settled::RetryAfter(wait) => (None, None, Some(to_micros_up(wait))),
            Settled::Resumed => (None, None, None),
            Settled::Interrupted => (None, None, Some(INTERRUPTED)),
        };
        self.status.push(status.map(DeliveryStatus::as_str));
        self.reason.push(reason.map(FailureReason::as_str));
        self.wait_us.push(wait);

        let attempt = settlement.attempt.as_ref();
        self.number.push(attempt.map(|a| to_i32(a.number)));
        self.trigger.push(attempt.map(|a| a.trigger.as_str()));
        self.started_at.push(attempt.map(|a| to_sql_time(a.started_at)));
        self.duration_ns.push(attempt.map(|a| to_nanos(a.duration)));
        let phases = attempt.map(|a| a.phases).unwrap_or_default();
        self.dns_ns.push(phases.dns.map(to_nanos));
        self.connect_ns.push(phases.connect.map(to_nanos));
        self.tls_ns.push(phases.tls.map(to_nanos));
        self.first_byte_ns.push(phases.first_byte.map(to_nanos));
        self.signature.push(attempt.map(|a| without_nul(&a.signature)));

        let response = attempt.and_then(|a| a.outcome.response.as_ref());
        self.response_status.push(response.map(|r| r.status.into()));
        let headers = response.map(|r| serde_json::to_string(&r.headers)).transpose();
        self.response_headers.push(headers.map_err(|error| StoreError::Internal(error.into()))?);
        self.response_body.push(response.map(|r| r.body.to_vec()));
        self.response_truncated.push(response.map(|r| r.truncated));

        let failure = attempt.and_then(|a| a.outcome.failure.as_ref());
        self.failure_class.push(failure.map(|f| f.class.as_str()));
        self.failure_detail.push(failure.map(|f| without_nul(&f.detail)));
        self.last_attempt.push(attempt.map(Attempt::summary));
        Ok(())
    }
}

/// Returns the recorded settlements, by their positions from 1, and the decisions that they caused.
///
/// Usually one statement is the whole transaction. It records nothing if some webhook subscribes to the events that
/// attempts cause: these are added in a transaction of several statements.
pub(super) async fn apply(store: &Inner, settlements: &[&Settlement]) -> Result<Vec<Recorded>, StoreError> {
    let columns = Columns::of(settlements.iter().copied())?;
    let (recorded, deliveries) = store
        .write()
        .run(async |conn| {
            let has_gone = columns.gone.iter().any(Option::is_some);
            if !has_gone {
                let recorded = record(conn, &columns, &WantedReports::patterns()).await?;
                if !recorded.iter().any(|one| one.transition.as_deref() == Some("wanted")) {
                    return Ok((recorded, 0));
                }
            }
            let mut tx = conn.begin().await?;
            if has_gone {
                hold_webhooks(&mut tx, &columns).await?;
            }
            let recorded = record(&mut tx, &columns, &[]).await?;
            let gone: Vec<_> = recorded.iter().filter_map(|one| one.webhook("gone")).collect();
            let mut deliveries = publish_disabled(&mut tx, store, &gone, DisabledReason::Gone).await?;
            deliveries += report::report(&mut tx, store, settlements, &recorded).await?;
            tx.commit().await?;
            Ok((recorded, deliveries))
        })
        .await?;
    if deliveries > 0 {
        store.wakeups.wake(deliveries, WakeUp::Any);
    }
    Ok(recorded)
}

/// Locks the webhooks whose endpoints are gone, so that the statement sees them and their subscriptions as
/// their last writer left them. Locks them after the deliveries and before the health, in the order of all
/// transactions that lock more than one of these.
async fn hold_webhooks(tx: &mut PgConnection, columns: &Columns) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM rdev_webhooks.delivery_queue WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        &columns.id
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "SELECT id FROM rdev_webhooks.webhooks WHERE id = ANY(ARRAY(
             SELECT q.webhook_id FROM unnest($1::uuid[], $2::int8[]) AS g(id, gone)
             JOIN rdev_webhooks.delivery_queue q ON q.id = g.id WHERE g.gone IS NOT NULL))
         ORDER BY id FOR UPDATE",
        &columns.id,
        &columns.gone as &[Option<i64>]
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Records the settlements.
///
/// `finished` and `rescheduled` each take some of the deliveries with a valid lease; everything else builds on
/// the rows that these two took. `(… IN …) IS TRUE` is looked up in a hash table; a bare `IN` would become a
/// join, and with the planner's settings of these connections a nested loop over the whole batch.
///
/// The health of an endpoint is written only after a failed attempt, or after a success where a failure is
/// recorded. `unhealthy` locks the existing rows in one order before any is changed.
///
/// If some webhook subscribes to one of `unless_subscribed`, nothing is recorded, and the result is one row `wanted`.
async fn record(
    conn: &mut PgConnection,
    columns: &Columns,
    unless_subscribed: &[String],
) -> Result<Vec<Recorded>, sqlx::Error> {
    sqlx::query_file_as!(
        Recorded,
        "src/queue/settle/general.sql",
        &columns.id,
        &columns.token,
        &columns.status as &[Option<&str>],
        &columns.reason as &[Option<&str>],
        &columns.wait_us as &[Option<i64>],
        &columns.gone as &[Option<i64>],
        &columns.health as &[&str],
        &columns.number as &[Option<i32>],
        &columns.trigger as &[Option<&str>],
        &columns.started_at as &[Option<DateTime<Utc>>],
        &columns.duration_ns as &[Option<i64>],
        &columns.dns_ns as &[Option<i64>],
        &columns.connect_ns as &[Option<i64>],
        &columns.tls_ns as &[Option<i64>],
        &columns.first_byte_ns as &[Option<i64>],
        &columns.signature as &[Option<String>],
        &columns.response_status as &[Option<i32>],
        &columns.response_headers as &[Option<String>],
        &columns.response_body as &[Option<Vec<u8>>],
        &columns.response_truncated as &[Option<bool>],
        &columns.failure_class as &[Option<&str>],
        &columns.failure_detail as &[Option<String>],
        DeliveryStatus::Cancelled.as_str(),
        CancelReason::WebhookDeleted.as_str(),
        DisabledReason::Gone.as_str(),
        i64::from(health::OPEN_AFTER),
        health::OPEN_AFTER_FAILING_FOR as Duration,
        health::FIRST_OPEN as Duration,
        health::LONGEST_OPEN as Duration,
        unless_subscribed,
        &columns.last_attempt as &[Option<String>],
    )
    .fetch_all(conn)
    .await
}
