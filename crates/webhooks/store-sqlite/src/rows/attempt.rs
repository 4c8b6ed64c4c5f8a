//! Rows of `attempts`.

use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, AttemptFailure, AttemptId, AttemptOutcome, CapturedResponse, DeliveryId, FailureClass,
    LastAttempt, Page, PageRequest, Phases, Timestamp, Trigger,
};
use rdev_webhooks_store::damage;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::{micros, nanos};
use crate::error::{self, DbError, Row};
use crate::json::{self, Blobs, ByteRange};

/// The row of an attempt.
pub(crate) struct AttemptRow {
    pub(crate) number: i64,
    pub(crate) trigger: String,
    pub(crate) started_at: i64,
    pub(crate) duration_ns: i64,
    pub(crate) dns_ns: Option<i64>,
    pub(crate) connect_ns: Option<i64>,
    pub(crate) tls_ns: Option<i64>,
    pub(crate) first_byte_ns: Option<i64>,
    pub(crate) signature: String,
    pub(crate) response_status: Option<i64>,
    pub(crate) response_headers: Option<String>,
    pub(crate) response_body: Option<Vec<u8>>,
    pub(crate) response_truncated: Option<i64>,
    pub(crate) failure_class: Option<String>,
    pub(crate) failure_detail: Option<String>,
}

impl AttemptRow {
    /// Converts the row to an attempt of that delivery.
    pub(crate) fn attempt(self, delivery: DeliveryId) -> Result<Attempt, StoreError> {
        let number = u32::try_from(self.number).unwrap_or_default();
        let id = AttemptId::derive(delivery, number);
        let row = Row { table: "attempts", id: &id };
        let duration = |column, ns: i64| row.number(column, ns).map(Duration::from_nanos);
        let phase = |column, ns: Option<i64>| ns.map(|ns| duration(column, ns)).transpose();
        let response = match self.response_status {
            None => None,
            Some(status) => {
                let headers = row.some("response_headers", self.response_headers)?;
                Some(CapturedResponse {
                    status: row.number("response_status", status)?,
                    headers: serde_json::from_str(&headers)
                        .map_err(|error| row.corrupt("response_headers", error))?,
                    body: row.some("response_body", self.response_body)?.into(),
                    truncated: self.response_truncated == Some(1),
                })
            }
        };
        let failure = match self.failure_class {
            None => None,
            Some(class) => Some(AttemptFailure {
                class: row.name("failure_class", &class, FailureClass::parse)?,
                detail: row.some("failure_detail", self.failure_detail)?,
            }),
        };
        Ok(Attempt {
            number: row.number("number", self.number)?,
            trigger: row.name("trigger", &self.trigger, Trigger::parse)?,
            started_at: Timestamp::from_micros(self.started_at),
            duration: duration("duration_ns", self.duration_ns)?,
            phases: Phases {
                dns: phase("dns_ns", self.dns_ns)?,
                connect: phase("connect_ns", self.connect_ns)?,
                tls: phase("tls_ns", self.tls_ns)?,
                first_byte: phase("first_byte_ns", self.first_byte_ns)?,
            },
            signature: self.signature,
            outcome: AttemptOutcome { response, failure },
        })
    }
}

/// An attempt as [`record`] reads it: the members have the names of the columns.
#[derive(Serialize)]
struct NewAttempt<'a> {
    delivery_id: String,
    number: u32,
    trigger: &'static str,
    started_at: i64,
    duration_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ns: Option<i64>,
    signature: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_headers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<ByteRange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_detail: Option<&'a str>,
}

impl<'a> NewAttempt<'a> {
    fn new(delivery: DeliveryId, attempt: &'a Attempt, bodies: &mut Blobs) -> Result<Self, StoreError> {
        let Phases { dns, connect, tls, first_byte } = attempt.phases;
        let response = attempt.outcome.response.as_ref();
        let failure = attempt.outcome.failure.as_ref();
        Ok(Self {
            delivery_id: json::id(delivery.as_uuid()),
            number: attempt.number,
            trigger: attempt.trigger.as_str(),
            started_at: micros(attempt.started_at),
            duration_ns: nanos(attempt.duration),
            dns_ns: dns.map(nanos),
            connect_ns: connect.map(nanos),
            tls_ns: tls.map(nanos),
            first_byte_ns: first_byte.map(nanos),
            signature: &attempt.signature,
            response_status: response.map(|response| response.status),
            response_headers: response.map(|response| json::rows(&response.headers)).transpose()?,
            response_body: response.map(|response| bodies.push(&response.body)),
            response_truncated: response.map(|response| response.truncated),
            failure_class: failure.map(|failure| failure.class.as_str()),
            failure_detail: failure.map(|failure| failure.detail.as_str()),
        })
    }
}

/// Returns a delivery's attempts, the last first.
pub(crate) async fn list(
    conn: &mut SqliteConnection,
    delivery: DeliveryId,
    page: PageRequest<u32>,
) -> Result<Page<Attempt>, DbError> {
    let (id, limit) = (delivery.as_uuid().as_bytes().to_vec(), i64::from(page.limit) + 1);
    let rows = sqlx::query_as!(
        AttemptRow,
        r#"SELECT number, "trigger", started_at, duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns,
             signature, response_status, response_headers, response_body, response_truncated, failure_class,
             failure_detail
           FROM webhooks_attempts WHERE delivery_id = ?1 AND (?2 IS NULL OR number < ?2)
           ORDER BY number DESC LIMIT +?3"#,
        id,
        page.before,
        limit
    )
    .fetch_all(conn)
    .await?;
    let number = |row: &AttemptRow| u32::try_from(row.number).unwrap_or_default();
    let name = |row: &AttemptRow| AttemptId::derive(delivery, number(row)).to_string();
    Ok(Page::read(rows, page.limit, name, |row| row.attempt(delivery))?)
}

/// The columns of a last attempt that a list shows.
struct LastRow {
    delivery_id: Vec<u8>,
    number: i64,
    trigger: String,
    duration_ns: i64,
    response_status: Option<i64>,
    failure_class: Option<String>,
}

impl LastRow {
    fn last(&self) -> Result<LastAttempt, StoreError> {
        let delivery =
            error::uuid("attempts", "delivery_id", &self.delivery_id).map(DeliveryId::from_uuid)?;
        let id = AttemptId::derive(delivery, u32::try_from(self.number).unwrap_or_default());
        let row = Row { table: "attempts", id: &id };
        let status = self.response_status.map(|status| row.number("response_status", status));
        let failure = self.failure_class.as_ref();
        let failure = failure.map(|class| row.name("failure_class", class, FailureClass::parse));
        Ok(LastAttempt {
            delivery,
            trigger: row.name("trigger", &self.trigger, Trigger::parse)?,
            duration: row.number("duration_ns", self.duration_ns).map(Duration::from_nanos)?,
            status: status.transpose()?,
            failure: failure.transpose()?,
        })
    }
}

/// Returns the last attempts of deliveries; one that cannot be read is left out and logged.
pub(crate) async fn last(
    conn: &mut SqliteConnection,
    deliveries: &[DeliveryId],
) -> Result<Vec<LastAttempt>, DbError> {
    let ids = json::ids(deliveries.iter().map(DeliveryId::as_uuid))?;
    let rows = sqlx::query_as!(
        LastRow,
        r#"SELECT a.delivery_id AS "delivery_id!", a.number AS "number!", a."trigger" AS "trigger!",
             a.duration_ns AS "duration_ns!", a.response_status, a.failure_class
           FROM json_each(?1) AS wanted CROSS JOIN webhooks_attempts AS a
           WHERE a.delivery_id = unhex(wanted.value)
             AND a.number = (SELECT max(last.number) FROM webhooks_attempts AS last
               WHERE last.delivery_id = unhex(wanted.value))"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(LastRow::last).filter_map(damage::leave_out).collect())
}

/// Records attempts as of now. An attempt replaces an existing one of the same number.
pub(crate) async fn record<'a>(
    conn: &mut SqliteConnection,
    now: Timestamp,
    attempts: impl IntoIterator<Item = (DeliveryId, &'a Attempt)>,
) -> Result<(), DbError> {
    let mut bodies = Blobs::default();
    let recorded = attempts
        .into_iter()
        .map(|(delivery, attempt)| NewAttempt::new(delivery, attempt, &mut bodies))
        .collect::<Result<Vec<_>, _>>()?;
    if recorded.is_empty() {
        return Ok(());
    }
    let (recorded, bodies, now) = (json::rows(&recorded)?, bodies.into_bytes(), micros(now));
    sqlx::query!(
        r#"WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
           INSERT OR REPLACE INTO webhooks_attempts (
             delivery_id, number, "trigger", started_at, duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns,
             signature, response_status, response_headers, response_body, response_truncated, failure_class,
             failure_detail, recorded_at)
           SELECT unhex(value ->> 'delivery_id'), value ->> 'number', value ->> 'trigger', value ->> 'started_at',
             value ->> 'duration_ns', value ->> 'dns_ns', value ->> 'connect_ns', value ->> 'tls_ns',
             value ->> 'first_byte_ns', value ->> 'signature', value ->> 'response_status',
             value ->> 'response_headers',
             CASE WHEN value ->> 'response_body' IS NOT NULL THEN
               coalesce(substr(?2, value ->> '$.response_body[0]', value ->> '$.response_body[1]'), x'') END,
             value ->> 'response_truncated', value ->> 'failure_class', value ->> 'failure_detail', ?3
           FROM batch"#,
        recorded,
        bodies,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
