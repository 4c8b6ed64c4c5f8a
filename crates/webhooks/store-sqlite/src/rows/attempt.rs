//! Rows of `attempts`.

use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, AttemptFailure, AttemptId, AttemptOutcome, CapturedResponse, DeliveryId, FailureClass, Phases,
    Timestamp, Trigger,
};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::{micros, nanos};
use crate::error::{self, Row};
use crate::json::{self, Blobs, Place};

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

/// The columns in the order in which [`record`] reads them.
#[derive(Serialize)]
struct Recorded<'a>(
    String,
    u32,
    &'static str,
    i64,
    [Option<i64>; 5],
    &'a str,
    Option<(u16, String, Place, bool)>,
    Option<(&'static str, &'a str)>,
);

impl<'a> Recorded<'a> {
    fn new(delivery: DeliveryId, attempt: &'a Attempt, bodies: &mut Blobs) -> Result<Self, StoreError> {
        let Phases { dns, connect, tls, first_byte } = attempt.phases;
        let response = match &attempt.outcome.response {
            None => None,
            Some(response) => {
                let headers = json::rows(&response.headers)?;
                let place = bodies.push(&response.body);
                Some((response.status, headers, place, response.truncated))
            }
        };
        let failure = attempt.outcome.failure.as_ref();
        Ok(Self(
            json::id(delivery.as_uuid()),
            attempt.number,
            attempt.trigger.as_str(),
            micros(attempt.started_at),
            [Some(attempt.duration), dns, connect, tls, first_byte].map(|part| part.map(nanos)),
            &attempt.signature,
            response,
            failure.map(|failure| (failure.class.as_str(), failure.detail.as_str())),
        ))
    }
}

/// Records attempts as of now. An attempt replaces an existing one of the same number.
pub(crate) async fn record<'a>(
    conn: &mut SqliteConnection,
    now: Timestamp,
    attempts: impl IntoIterator<Item = (DeliveryId, &'a Attempt)>,
) -> Result<(), StoreError> {
    let mut bodies = Blobs::default();
    let recorded = attempts
        .into_iter()
        .map(|(delivery, attempt)| Recorded::new(delivery, attempt, &mut bodies))
        .collect::<Result<Vec<_>, _>>()?;
    if recorded.is_empty() {
        return Ok(());
    }
    let (recorded, bodies, now) = (json::rows(&recorded)?, bodies.into_bytes(), micros(now));
    sqlx::query!(
        r#"WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
           INSERT OR REPLACE INTO webhooks_attempts (
             delivery_id, number, "trigger", started_at,
             duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns, signature,
             response_status, response_headers, response_body, response_truncated, failure_class, failure_detail,
             recorded_at)
           SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3,
             value ->> '$[4][0]', value ->> '$[4][1]', value ->> '$[4][2]', value ->> '$[4][3]',
             value ->> '$[4][4]', value ->> 5,
             value ->> '$[6][0]', value ->> '$[6][1]',
             CASE WHEN value ->> 6 IS NOT NULL
               THEN coalesce(substr(?2, value ->> '$[6][2][0]', value ->> '$[6][2][1]'), x'') END,
             value ->> '$[6][3]', value ->> '$[7][0]', value ->> '$[7][1]', ?3
           FROM batch"#,
        recorded,
        bodies,
        now
    )
    .execute(conn)
    .await
    .map_err(error::database)?;
    Ok(())
}
