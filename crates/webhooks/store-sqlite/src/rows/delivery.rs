//! Rows of `deliveries`.

use rdev_webhooks_domain::delivery::{Lease, Progress};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, CancelReason, Delivery, DeliveryId, DeliveryState, EventId, FailureReason, LeaseToken,
    Timestamp, Trigger, WebhookId,
};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::micros;
use crate::error::{self, DbError, Row};
use crate::json;

const TABLE: &str = "deliveries";

/// The status of an unfinished delivery; whether it is pending, in flight or retrying depends on the time.
pub(crate) const UNFINISHED: &str = "unfinished";

/// The row of a delivery.
pub(crate) struct DeliveryRow {
    pub(crate) id: Vec<u8>,
    pub(crate) event_id: Vec<u8>,
    pub(crate) webhook_id: Vec<u8>,
    pub(crate) event_type: String,
    pub(crate) project: Option<String>,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) finished_at: Option<i64>,
    pub(crate) attempts: i64,
    pub(crate) automatic_attempts: i64,
    pub(crate) abandoned_count: i64,
    pub(crate) trigger: String,
    pub(crate) due_at: i64,
    pub(crate) deferred_until: Option<i64>,
    pub(crate) lease_token: Option<i64>,
    pub(crate) lease_taken_at: Option<i64>,
    pub(crate) lease_expires_at: Option<i64>,
}

/// A query for [`DeliveryRow`]s of `deliveries AS d`, from the given tables and under the given conditions.
macro_rules! delivery_rows {
    ($from:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::rows::delivery::DeliveryRow,
            "SELECT d.id, d.event_id, d.webhook_id, d.event_type, d.project, d.status, d.reason, d.finished_at, "
                + "d.attempts, d.automatic_attempts, d.abandoned_count, d.\"trigger\", d.due_at, d.deferred_until, "
                + "d.lease_token, d.lease_taken_at, d.lease_expires_at "
                + $from $(+ $more)*
            $(, $argument)*
        )
    };
}
pub(crate) use delivery_rows;

/// The state of a delivery, with all that the next transition needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoredState {
    Unfinished(Progress),
    Finished { state: DeliveryState, attempts: u32, automatic_attempts: u32 },
}

impl StoredState {
    /// Returns the state of an unfinished delivery after it has ended.
    pub(crate) fn ended(progress: &Progress, state: DeliveryState) -> Self {
        Self::Finished { state, attempts: progress.attempts, automatic_attempts: progress.automatic_attempts }
    }

    /// Returns the same for a delivery whose webhook was deleted.
    pub(crate) fn cancelled(progress: &Progress, now: Timestamp) -> Self {
        let reason = CancelReason::WebhookDeleted;
        Self::ended(progress, DeliveryState::Cancelled { at: now, reason })
    }
}

impl DeliveryRow {
    pub(crate) fn id(&self) -> Result<DeliveryId, StoreError> {
        error::uuid(TABLE, "id", &self.id).map(DeliveryId::from_uuid)
    }

    pub(crate) fn event_id(&self) -> Result<EventId, StoreError> {
        error::uuid(TABLE, "event_id", &self.event_id).map(EventId::from_uuid)
    }

    pub(crate) fn webhook_id(&self) -> Result<WebhookId, StoreError> {
        error::uuid(TABLE, "webhook_id", &self.webhook_id).map(WebhookId::from_uuid)
    }

    /// Returns the stored state.
    pub(crate) fn state(&self) -> Result<StoredState, StoreError> {
        let id = self.id()?;
        let row = Row { table: TABLE, id: &id };
        let attempts = row.number("attempts", self.attempts)?;
        let automatic_attempts = row.number("automatic_attempts", self.automatic_attempts)?;
        if self.status == UNFINISHED {
            return Ok(StoredState::Unfinished(Progress {
                attempts,
                automatic_attempts,
                abandoned_count: row.number("abandoned_count", self.abandoned_count)?,
                trigger: row.name("trigger", &self.trigger, Trigger::parse)?,
                due_at: Timestamp::from_micros(self.due_at),
                deferred_until: self.deferred_until.map(Timestamp::from_micros),
                lease: self.lease(&row)?,
            }));
        }
        let at = Timestamp::from_micros(row.some("finished_at", self.finished_at)?);
        let reason = || row.some("reason", self.reason.as_deref());
        let state = match self.status.as_str() {
            "succeeded" => DeliveryState::Succeeded { at },
            "failed" => {
                DeliveryState::Failed { at, reason: row.name("reason", reason()?, FailureReason::parse)? }
            }
            "cancelled" => {
                DeliveryState::Cancelled { at, reason: row.name("reason", reason()?, CancelReason::parse)? }
            }
            other => return Err(row.corrupt("status", format!("unknown status {other:?}"))),
        };
        Ok(StoredState::Finished { state, attempts, automatic_attempts })
    }

    fn lease(&self, row: &Row<'_>) -> Result<Option<Lease>, StoreError> {
        let Some(token) = self.lease_token else {
            return Ok(None);
        };
        Ok(Some(Lease {
            token: LeaseToken::new(token),
            taken_at: Timestamp::from_micros(row.some("lease_taken_at", self.lease_taken_at)?),
            expires_at: Timestamp::from_micros(row.some("lease_expires_at", self.lease_expires_at)?),
        }))
    }

    /// Returns the delivery at `now`.
    pub(crate) fn delivery(&self, now: Timestamp) -> Result<Delivery, StoreError> {
        self.delivery_at(&self.state()?, now)
    }

    /// Returns the delivery as it would be at `now` in another state.
    pub(crate) fn delivery_at(&self, state: &StoredState, now: Timestamp) -> Result<Delivery, StoreError> {
        let id = self.id()?;
        let row = Row { table: TABLE, id: &id };
        let (attempts, state) = match state {
            StoredState::Unfinished(progress) => (progress.attempts, progress.state(now)),
            StoredState::Finished { state, attempts, .. } => (*attempts, *state),
        };
        Ok(Delivery {
            id,
            event_id: self.event_id()?,
            event_type: row.parse("event_type", &self.event_type)?,
            project: self.project.as_deref().map(|project| row.parse("project", project)).transpose()?,
            webhook_id: self.webhook_id()?,
            attempts,
            state,
        })
    }
}

/// The columns that a transition changes, as [`save`] reads them.
#[derive(Default, Serialize)]
struct SavedDelivery {
    id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    attempts: u32,
    automatic_attempts: u32,
    abandoned_count: u32,
    trigger: &'static str,
    due_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    deferred_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_token: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_taken_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimable_at: Option<i64>,
}

impl SavedDelivery {
    fn new(id: DeliveryId, state: &StoredState) -> Self {
        let id = json::id(id.as_uuid());
        match state {
            StoredState::Unfinished(progress) => Self {
                id,
                status: UNFINISHED,
                reason: None,
                finished_at: None,
                attempts: progress.attempts,
                automatic_attempts: progress.automatic_attempts,
                abandoned_count: progress.abandoned_count,
                trigger: progress.trigger.as_str(),
                due_at: micros(progress.due_at),
                deferred_until: progress.deferred_until.map(micros),
                lease_token: progress.lease.map(|lease| lease.token.as_i64()),
                lease_taken_at: progress.lease.map(|lease| micros(lease.taken_at)),
                lease_expires_at: progress.lease.map(|lease| micros(lease.expires_at)),
                claimable_at: Some(micros(progress.claimable_at())),
            },
            StoredState::Finished { state, attempts, automatic_attempts } => {
                let finished_at = state.finished_at().map(micros);
                Self {
                    id,
                    status: state.status().as_str(),
                    reason: match state {
                        DeliveryState::Failed { reason, .. } => Some(reason.as_str()),
                        DeliveryState::Cancelled { reason, .. } => Some(reason.as_str()),
                        _ => None,
                    },
                    finished_at,
                    attempts: *attempts,
                    automatic_attempts: *automatic_attempts,
                    trigger: Trigger::Automatic.as_str(),
                    due_at: finished_at.unwrap_or_default(),
                    ..Self::default()
                }
            }
        }
    }
}

/// Stores the new states of deliveries.
pub(crate) async fn save(
    conn: &mut SqliteConnection,
    states: impl IntoIterator<Item = (DeliveryId, StoredState)>,
) -> Result<(), DbError> {
    let saved: Vec<_> = states.into_iter().map(|(id, state)| SavedDelivery::new(id, &state)).collect();
    if saved.is_empty() {
        return Ok(());
    }
    let saved = json::rows(&saved)?;
    sqlx::query_file!("src/rows/save_deliveries.sql", saved).execute(conn).await?;
    Ok(())
}

/// Stores the summaries of last attempts, once the states of the deliveries are [saved](save). In the row of a delivery
/// that succeeded, NULL stands for a plain attempt.
pub(crate) async fn save_last_attempts<'a>(
    conn: &mut SqliteConnection,
    attempts: impl IntoIterator<Item = (DeliveryId, &'a Attempt)>,
) -> Result<(), DbError> {
    let summaries: Vec<_> =
        attempts.into_iter().map(|(id, attempt)| (json::id(id.as_uuid()), attempt.summary())).collect();
    if summaries.is_empty() {
        return Ok(());
    }
    let summaries = json::rows(&summaries)?;
    sqlx::query!(
        "WITH batch AS MATERIALIZED (SELECT value FROM json_each(?1))
         UPDATE webhooks_deliveries
         SET last_attempt = nullif(new.summary, iif(status = 'succeeded', 'automatic//200', ''))
         FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS summary FROM batch) AS new
         WHERE webhooks_deliveries.id = new.id",
        summaries
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Records, for watchers, that finished deliveries are put back into the queue. Their states are saved afterwards.
pub(crate) async fn record_reopened(
    conn: &mut SqliteConnection,
    ids: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    let at = micros(now);
    sqlx::query!(
        "INSERT INTO webhooks_reopened_deliveries (reopened_at, delivery_id)
         SELECT ?1, unhex(value) FROM json_each(?2)",
        at,
        ids
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_deliveries SET last_attempt = 'automatic//200'
         WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND status = 'succeeded' AND last_attempt IS NULL",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}
