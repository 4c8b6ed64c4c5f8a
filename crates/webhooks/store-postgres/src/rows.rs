//! Conversion of rows of events, deliveries and attempts to the domain's types.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, AttemptFailure, AttemptOutcome, CancelReason, CapturedResponse, Delivery, DeliveryCounts,
    DeliveryId, DeliveryState, DeliveryStatus, Event, EventId, EventRecord, FailureClass, FailureReason,
    LastAttempt, Phases, Trigger, WebhookId,
};
use uuid::Uuid;

use crate::convert::{from_nanos, from_sql_time, to_u32};
use crate::error::corrupt;

/// The row of an event, with its deliveries counted.
#[derive(Default)]
pub(crate) struct EventRow {
    pub(crate) id: Uuid,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) event_type: String,
    pub(crate) project: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) pending: i64,
    pub(crate) in_flight: i64,
    pub(crate) retrying: i64,
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
    pub(crate) cancelled: i64,
}

/// The row of a delivery, finished or not. The meaning of `at` depends on the state: when the delivery is
/// due, when its lease ends, or when it ended.
pub(crate) struct DeliveryRow {
    pub(crate) id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_type: String,
    pub(crate) project: Option<String>,
    pub(crate) webhook_id: Uuid,
    pub(crate) attempts: i32,
    pub(crate) status: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: Option<String>,
}

/// The row of an attempt.
pub(crate) struct AttemptRow {
    pub(crate) number: i32,
    pub(crate) trigger: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) duration_ns: i64,
    pub(crate) dns_ns: Option<i64>,
    pub(crate) connect_ns: Option<i64>,
    pub(crate) tls_ns: Option<i64>,
    pub(crate) first_byte_ns: Option<i64>,
    pub(crate) signature: String,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_headers: Option<String>,
    pub(crate) response_body: Option<Vec<u8>>,
    pub(crate) response_truncated: Option<bool>,
    pub(crate) failure_class: Option<String>,
    pub(crate) failure_detail: Option<String>,
}

/// The columns of a last attempt that a list shows.
pub(crate) struct LastAttemptRow {
    pub(crate) delivery_id: Uuid,
    pub(crate) trigger: String,
    pub(crate) duration_ns: i64,
    pub(crate) response_status: Option<i32>,
    pub(crate) failure_class: Option<String>,
}

/// Converts the row of an event.
pub(crate) fn to_event(row: EventRow) -> Result<EventRecord, StoreError> {
    let id = EventId::from_uuid(row.id);
    let unreadable = |column| move |source| corrupt("events", column, id, source);
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(EventRecord {
        event: Event {
            id,
            key: row.key.map(|key| key.parse().map_err(|e| unreadable("key")(boxed(e)))).transpose()?,
            event_type: row.event_type.parse().map_err(|e| unreadable("event_type")(boxed(e)))?,
            project: row
                .project
                .map(|project| project.parse().map_err(|e| unreadable("project")(boxed(e))))
                .transpose()?,
            timestamp: from_sql_time(row.timestamp),
            body: row.body.into(),
        },
        deliveries: DeliveryCounts {
            pending: count(row.pending),
            in_flight: count(row.in_flight),
            retrying: count(row.retrying),
            succeeded: count(row.succeeded),
            failed: count(row.failed),
            cancelled: count(row.cancelled),
        },
    })
}

/// Converts the row of a delivery.
pub(crate) fn to_delivery(row: DeliveryRow) -> Result<Delivery, StoreError> {
    let event_id = EventId::from_uuid(row.event_id);
    let id = DeliveryId::from_uuid(row.id);
    let state = to_state(id, &row)?;
    Ok(Delivery {
        id,
        event_id,
        event_type: row
            .event_type
            .parse()
            .map_err(|e| corrupt("events", "event_type", event_id, boxed(e)))?,
        project: row
            .project
            .map(|project| project.parse().map_err(|e| corrupt("events", "project", event_id, boxed(e))))
            .transpose()?,
        webhook_id: WebhookId::from_uuid(row.webhook_id),
        attempts: to_u32(row.attempts),
        state,
    })
}

fn to_state(id: DeliveryId, row: &DeliveryRow) -> Result<DeliveryState, StoreError> {
    let at = from_sql_time(row.at);
    let reason = row.reason.as_deref().unwrap_or_default();
    let unknown = || corrupt("deliveries", "reason", id, "an unknown reason");
    let status = DeliveryStatus::parse(&row.status)
        .ok_or_else(|| corrupt("deliveries", "status", id, "an unknown status"))?;
    Ok(match status {
        DeliveryStatus::Pending => DeliveryState::Pending { due_at: at },
        DeliveryStatus::InFlight => DeliveryState::InFlight { lease_expires_at: at },
        DeliveryStatus::Retrying => DeliveryState::Retrying { due_at: at },
        DeliveryStatus::Succeeded => DeliveryState::Succeeded { at },
        DeliveryStatus::Failed => {
            DeliveryState::Failed { at, reason: FailureReason::parse(reason).ok_or_else(unknown)? }
        }
        DeliveryStatus::Cancelled => {
            DeliveryState::Cancelled { at, reason: CancelReason::parse(reason).ok_or_else(unknown)? }
        }
    })
}

/// Converts the columns of a last attempt.
pub(crate) fn to_last_attempt(row: LastAttemptRow) -> Result<LastAttempt, StoreError> {
    let delivery = DeliveryId::from_uuid(row.delivery_id);
    let unreadable = |column, source| corrupt("attempts", column, delivery, source);
    let status = row.response_status.map(u16::try_from).transpose();
    let failure = row.failure_class.map(|class| {
        FailureClass::parse(&class).ok_or_else(|| unreadable("failure_class", "an unknown class".into()))
    });
    Ok(LastAttempt {
        delivery,
        trigger: Trigger::parse(&row.trigger)
            .ok_or_else(|| unreadable("trigger", "an unknown trigger".into()))?,
        duration: from_nanos(row.duration_ns),
        status: status.map_err(|error| unreadable("response_status", boxed(error)))?,
        failure: failure.transpose()?,
    })
}

/// Converts the row of an attempt.
pub(crate) fn to_attempt(id: DeliveryId, row: AttemptRow) -> Result<Attempt, StoreError> {
    let unreadable = |column, source| corrupt("attempts", column, id, source);
    let response = match row.response_status {
        None => None,
        Some(status) => Some(CapturedResponse {
            status: u16::try_from(status).map_err(|e| unreadable("response_status", boxed(e)))?,
            headers: serde_json::from_str(row.response_headers.as_deref().unwrap_or("[]"))
                .map_err(|e| unreadable("response_headers", boxed(e)))?,
            body: Bytes::from(row.response_body.unwrap_or_default()),
            truncated: row.response_truncated.unwrap_or_default(),
        }),
    };
    let failure = match row.failure_class {
        None => None,
        Some(class) => Some(AttemptFailure {
            class: FailureClass::parse(&class)
                .ok_or_else(|| unreadable("failure_class", "an unknown class".into()))?,
            detail: row.failure_detail.unwrap_or_default(),
        }),
    };
    Ok(Attempt {
        number: to_u32(row.number),
        trigger: Trigger::parse(&row.trigger)
            .ok_or_else(|| unreadable("trigger", "an unknown trigger".into()))?,
        started_at: from_sql_time(row.started_at),
        duration: from_nanos(row.duration_ns),
        phases: Phases {
            dns: row.dns_ns.map(from_nanos),
            connect: row.connect_ns.map(from_nanos),
            tls: row.tls_ns.map(from_nanos),
            first_byte: row.first_byte_ns.map(from_nanos),
        },
        signature: row.signature,
        outcome: AttemptOutcome { response, failure },
    })
}

type Unreadable = Box<dyn std::error::Error + Send + Sync>;

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> Unreadable {
    error.into()
}
