//! Recording of batches in which every attempt succeeded.

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Attempt, CapturedResponse, DeliveryStatus, HealthEffect, Settled, Settlement};
use uuid::Uuid;

use super::Recorded;
use crate::convert::{to_nanos, to_sql_time, without_nul};
use crate::store::Inner;

/// The settlements' columns.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    token: Vec<i64>,
    trigger: Vec<&'static str>,
    started_at: Vec<DateTime<Utc>>,
    duration_ns: Vec<i64>,
    dns_ns: Vec<Option<i64>>,
    connect_ns: Vec<Option<i64>>,
    tls_ns: Vec<Option<i64>>,
    first_byte_ns: Vec<Option<i64>>,
    signature: Vec<String>,
    response_status: Vec<i32>,
    response_headers: Vec<String>,
    response_body: Vec<&'a [u8]>,
    response_truncated: Vec<bool>,
}

/// Returns the attempt and the response of a plain settlement.
fn success(settlement: &Settlement) -> Option<(&Attempt, &CapturedResponse)> {
    let plain = settlement.settled == Settled::Succeeded
        && settlement.health == HealthEffect::Succeeded
        && settlement.gone.is_none();
    let attempt = settlement.attempt.as_ref().filter(|attempt| plain && attempt.outcome.failure.is_none())?;
    Some((attempt, attempt.outcome.response.as_ref()?))
}

impl<'a> Columns<'a> {
    /// Returns `None` if one of the settlements is not plain.
    fn of(settlements: impl Iterator<Item = &'a Settlement>) -> Result<Option<Self>, StoreError> {
        let mut columns = Self::default();
        for settlement in settlements {
            let Some((attempt, response)) = success(settlement) else {
                return Ok(None);
            };
            columns.id.push(settlement.lease.delivery.as_uuid());
            columns.token.push(settlement.lease.token.as_i64());
            columns.trigger.push(attempt.trigger.as_str());
            columns.started_at.push(to_sql_time(attempt.started_at));
            columns.duration_ns.push(to_nanos(attempt.duration));
            columns.dns_ns.push(attempt.phases.dns.map(to_nanos));
            columns.connect_ns.push(attempt.phases.connect.map(to_nanos));
            columns.tls_ns.push(attempt.phases.tls.map(to_nanos));
            columns.first_byte_ns.push(attempt.phases.first_byte.map(to_nanos));
            columns.signature.push(without_nul(&attempt.signature));
            columns.response_status.push(response.status.into());
            let headers = serde_json::to_string(&response.headers);
            columns.response_headers.push(headers.map_err(|error| StoreError::Internal(error.into()))?);
            columns.response_body.push(&response.body);
            columns.response_truncated.push(response.truncated);
        }
        Ok(Some(columns))
    }
}

/// Returns the recorded settlements, by their positions from 1, and the circuits that closed; or `None` if
/// the batch is not plain, because an attempt failed. Then nothing was changed.
///
/// The attempts go into the deliveries' own rows. The number of an attempt is the delivery's count of
/// attempts, which rises when its lease is taken.
///
/// An endpoint's health has a row only if it has failed before; the index returns such rows in the order of
/// their webhooks, the order in which all transactions lock them.
pub(super) async fn apply<'a>(
    store: &Inner,
    settlements: impl Iterator<Item = &'a Settlement>,
) -> Result<Option<Vec<Recorded>>, StoreError> {
    let Some(columns) = Columns::of(settlements)? else {
        return Ok(None);
    };
    store
        .write()
        .run(async |conn| {
            sqlx::query_file_as!(
                Recorded,
                "src/queue/settle/fast_path.sql",
                &columns.id,
                &columns.token,
                &columns.trigger as &[&str],
                &columns.started_at,
                &columns.duration_ns,
                &columns.dns_ns as &[Option<i64>],
                &columns.connect_ns as &[Option<i64>],
                &columns.tls_ns as &[Option<i64>],
                &columns.first_byte_ns as &[Option<i64>],
                &columns.signature,
                &columns.response_status,
                &columns.response_headers,
                &columns.response_body as &[&[u8]],
                &columns.response_truncated,
                DeliveryStatus::Succeeded.as_str(),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
        .map(Some)
}
