//! Leasing deliveries.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, Claim, DeliveryId, EventId, FailureClass, LeaseRef, LeasedDelivery, Trigger, WebhookId,
};
use uuid::Uuid;

use super::release::release;
use crate::connect::Inner;
use crate::convert::{to_micros_up, to_u32};
use crate::error::{corrupt, describe};
use crate::targets;
use crate::webhook_rows::version;

/// A delivery that was leased, with what it sends.
struct ClaimedRow {
    id: Uuid,
    event_id: Uuid,
    webhook_id: Uuid,
    webhook_version: i64,
    due_at: DateTime<Utc>,
    claimed_at: DateTime<Utc>,
    attempts: i32,
    automatic_attempts: i32,
    takeovers: i32,
    trigger: String,
    resumes: bool,
    event_type: String,
    body: Vec<u8>,
    traceparent: Option<String>,
}

/// Leases what a claim asks for.
pub(crate) async fn claim(store: &Inner, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
    let mut rows = take(store, claim).await?;
    note_short_shares(store, claim, &rows);

    let mut versions = HashMap::new();
    for row in &rows {
        let id = WebhookId::from_uuid(row.webhook_id);
        versions.insert(id, version(id, row.webhook_version)?);
    }
    let targets = targets::load(store, &versions).await?;
    rows.sort_unstable_by_key(|row| (row.due_at, row.id));
    let mut leased = Vec::with_capacity(rows.len());
    let mut unusable = Vec::new();
    for row in rows {
        let lease = LeaseRef { delivery: DeliveryId::from_uuid(row.id), token: claim.token };
        let target = targets.get(&WebhookId::from_uuid(row.webhook_id));
        match target.map(|target| to_leased(lease, row, Arc::clone(target))) {
            Some(Ok(delivery)) => leased.push(delivery),
            Some(Err(error)) => {
                tracing::error!(delivery = %lease.delivery, error = %describe(&error), "this delivery cannot be sent");
            }
            // The log says why; it is left alone for a while.
            None => unusable.push(lease),
        }
    }
    release(store, &unusable).await?;
    Ok(leased)
}

/// Takes the leases, in one statement.
///
/// Rows that others are just taking are skipped, never waited for. Where the lease of a dead worker is
/// taken over, the attempt that it had begun is recorded along with that.
///
/// Of a webhook whose circuit is half open, one is picked, and taken only if this claim is the one that
/// marks it as the probe: of several at once, each waits for the row's lock and then sees that it came too
/// late.
async fn take(store: &Inner, claim: &Claim) -> Result<Vec<ClaimedRow>, StoreError> {
    let mut webhooks = Vec::with_capacity(claim.shares.len());
    let (mut takes, mut leases_us, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for share in &claim.shares {
        if share.take == 0 || store.targets.is_unreadable(share.webhook) {
            continue;
        }
        webhooks.push(share.webhook.as_uuid());
        takes.push(i64::from(share.take));
        leases_us.push(to_micros_up(share.lease_for));
        marks.push(store.marks.get(share.webhook));
    }
    if webhooks.is_empty() {
        return Ok(Vec::new());
    }
    store
        .claim()
        .run(async |conn| {
            sqlx::query_as!(
                ClaimedRow,
                r#"
                WITH share AS (
                    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::timestamptz[])
                        AS s(webhook_id, take, lease_us, mark)
                ),
                picked AS MATERIALIZED (
                    SELECT q.*, s.webhook_id, s.lease_us, w.version,
                        h.webhook_id IS NOT NULL AS is_probe
                    FROM share s
                    JOIN rdev_webhooks.webhooks w ON w.id = s.webhook_id
                        AND w.deleted_at IS NULL AND w.disabled_reason IS NULL
                    LEFT JOIN rdev_webhooks.webhook_health h ON h.webhook_id = s.webhook_id
                        AND h.openings > 0
                    CROSS JOIN LATERAL (
                        SELECT q.id, q.attempts, q.trigger, q.lease_taken_at
                        FROM rdev_webhooks.delivery_queue q
                        WHERE q.webhook_id = s.webhook_id
                            AND q.due_at >= coalesce(s.mark, '-infinity')
                            AND q.due_at <= rdev_webhooks.now()
                            AND (q.lease_expires_at IS NULL
                                OR q.lease_expires_at <= rdev_webhooks.now())
                        ORDER BY q.due_at
                        LIMIT CASE WHEN h.webhook_id IS NULL THEN s.take ELSE 1 END
                        FOR UPDATE SKIP LOCKED
                    ) q
                    WHERE h.webhook_id IS NULL OR h.open_until <= rdev_webhooks.now()
                ),
                probed AS (
                    UPDATE rdev_webhooks.webhook_health h SET probing = true,
                        open_until = rdev_webhooks.now() + p.lease_us * interval '1 microsecond'
                    FROM picked p
                    WHERE p.is_probe AND h.webhook_id = p.webhook_id
                        AND h.openings > 0 AND h.open_until <= rdev_webhooks.now()
                    RETURNING h.webhook_id
                ),
                taken AS MATERIALIZED (
                    SELECT * FROM picked p
                    WHERE NOT p.is_probe OR (p.webhook_id IN (SELECT webhook_id FROM probed)) IS TRUE
                ),
                claimed AS (
                    UPDATE rdev_webhooks.delivery_queue q SET
                        lease_token = $5,
                        lease_taken_at = rdev_webhooks.now(),
                        lease_expires_at = rdev_webhooks.now() + p.lease_us * interval '1 microsecond',
                        attempts = q.attempts + 1,
                        automatic_attempts = q.automatic_attempts
                            + (p.lease_taken_at IS NULL AND q.trigger = 'automatic')::int4,
                        takeovers = q.takeovers + (p.lease_taken_at IS NOT NULL)::int4
                    FROM taken p WHERE q.id = p.id
                    RETURNING q.id, q.event_id, q.webhook_id, q.due_at, q.attempts,
                        q.automatic_attempts, q.takeovers, q.trigger,
                        q.resume_at IS NOT NULL AS resumes, p.version
                ),
                abandoned AS (
                    INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at,
                        duration_ns, signature, failure_class, failure_detail)
                    SELECT p.id, p.attempts, p.trigger, p.lease_taken_at,
                        greatest(0, (extract(epoch FROM rdev_webhooks.now() - p.lease_taken_at)
                            * 1000000)::int8) * 1000,
                        '', $6, $7
                    FROM taken p WHERE p.lease_taken_at IS NOT NULL
                    ON CONFLICT (delivery_id, number) DO NOTHING
                )
                SELECT c.id, c.event_id, c.webhook_id, c.version AS "webhook_version!", c.due_at,
                    rdev_webhooks.now() AS "claimed_at!", c.attempts, c.automatic_attempts, c.takeovers, c.trigger::text AS "trigger!",
                    c.resumes AS "resumes!", e.event_type, e.body, e.traceparent
                FROM claimed c JOIN rdev_webhooks.events e ON e.id = c.event_id
                "#,
                &webhooks,
                &takes,
                &leases_us,
                &marks as &[Option<DateTime<Utc>>],
                claim.token.as_i64(),
                FailureClass::Abandoned.as_str(),
                Attempt::ABANDONED,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}

/// Where less was found than wanted, the next look is soon from the beginning.
fn note_short_shares(store: &Inner, claim: &Claim, rows: &[ClaimedRow]) {
    let mut found: HashMap<WebhookId, u32> = HashMap::new();
    for row in rows {
        *found.entry(WebhookId::from_uuid(row.webhook_id)).or_default() += 1;
    }
    for share in &claim.shares {
        if found.get(&share.webhook).is_none_or(|found| *found < share.take) {
            store.marks.found_short(share.webhook);
        }
    }
}

fn to_leased(
    lease: LeaseRef,
    row: ClaimedRow,
    target: Arc<rdev_webhooks_domain::DeliveryTarget>,
) -> Result<LeasedDelivery, StoreError> {
    let event_id = EventId::from_uuid(row.event_id);
    Ok(LeasedDelivery {
        lease,
        event_id,
        event_type: row.event_type.parse().map_err(|error| corrupt_event(event_id, "event_type", error))?,
        body: Bytes::from(row.body),
        traceparent: row
            .traceparent
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| corrupt_event(event_id, "traceparent", error))?,
        attempt: to_u32(row.attempts),
        automatic_attempts: to_u32(row.automatic_attempts),
        takeovers: to_u32(row.takeovers),
        trigger: Trigger::parse(&row.trigger)
            .ok_or_else(|| corrupt("delivery_queue", "trigger", lease.delivery, "an unknown trigger"))?,
        resumes: row.resumes,
        overdue: (row.claimed_at - row.due_at).to_std().unwrap_or_default(),
        target,
    })
}

fn corrupt_event(
    id: EventId,
    column: &'static str,
    error: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    corrupt("events", column, id, error)
}
