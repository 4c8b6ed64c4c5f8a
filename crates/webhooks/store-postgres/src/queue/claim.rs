//! Leasing deliveries.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, Claim, EventId, FailureClass, LeaseRef, LeasedDelivery, ProjectNameError, Trigger, WebhookId,
};
use rdev_webhooks_store::damage;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::bodies::{self, ClaimedRow};
use super::limits;
use super::release::{give_back, release, remove_eventless};
use crate::convert::{from_sql_time, to_micros_up, to_u32};
use crate::error::{corrupt, unless_gone};
use crate::store::Inner;
use crate::webhooks::endpoints;
use crate::webhooks::rows::version;

/// The leases that a claim took, by their use.
#[derive(Default)]
struct Completed {
    leased: Vec<LeasedDelivery>,
    /// Leases whose webhooks cannot be read.
    unusable: Vec<LeaseRef>,
    /// Leases whose events are gone.
    eventless: Vec<LeaseRef>,
}

/// Leases the deliveries that a claim asks for.
pub(crate) async fn claim(store: &Inner, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
    let rows = take(store, claim).await?;
    note_short_shares(store, claim, &rows);
    let taken: Vec<_> = rows.iter().map(|row| row.lease(claim.token)).collect();
    match complete(store, claim, rows).await {
        Ok(completed) => {
            // A failure here must not affect the deliveries that can be sent.
            give_back(release(store, &completed.unusable)).await;
            give_back(remove_eventless(store, &completed.eventless)).await;
            Ok(completed.leased)
        }
        Err(error) => {
            // No caller knows these leases.
            give_back(release(store, &taken)).await;
            Err(error)
        }
    }
}

/// Adds to the leased rows their endpoints and events.
async fn complete(store: &Inner, claim: &Claim, mut rows: Vec<ClaimedRow>) -> Result<Completed, StoreError> {
    let mut versions = HashMap::new();
    for row in &rows {
        let id = WebhookId::from_uuid(row.webhook_id);
        versions.extend(damage::leave_out(version(id, row.webhook_version)).map(|version| (id, version)));
    }
    let targets = endpoints::load(store, &versions).await?;
    bodies::complete(store, &mut rows).await?;
    rows.sort_unstable_by_key(|row| (row.due_at, row.id));
    let mut completed = Completed { leased: Vec::with_capacity(rows.len()), ..Completed::default() };
    for mut row in rows {
        let lease = row.lease(claim.token);
        let (Some(event_type), Some(body)) = (row.event_type.take(), row.body.take()) else {
            completed.eventless.push(lease);
            continue;
        };
        let Some(target) = targets.get(&WebhookId::from_uuid(row.webhook_id)) else {
            // The error is in the log already; the webhook is skipped for a while.
            completed.unusable.push(lease);
            continue;
        };
        match to_leased(lease, row, &event_type, body.into(), Arc::clone(target)) {
            Ok(delivery) => completed.leased.push(delivery),
            Err(error) => {
                damage::log(&error);
            }
        }
    }
    Ok(completed)
}

/// Takes the leases in one statement, `claim.sql`.
///
/// The statement skips rows that another transaction is taking and never waits for them. Where it takes over
/// the lease of a dead worker, it also records the attempt that the worker had begun.
///
/// Of a webhook with a half-open circuit, the statement picks one delivery, and takes it only if this claim
/// marks it as the probe: of several concurrent claims one does, and each of the others waits for the row's
/// lock and then sees the mark.
///
/// If some webhooks are limited, the statement runs in a transaction that has locked their limits.
async fn take(store: &Inner, claim: &Claim) -> Result<Vec<ClaimedRow>, StoreError> {
    let mut webhooks = Vec::with_capacity(claim.shares.len());
    let (mut takes, mut leases_us, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    let mut limited = Vec::new();
    let now = Instant::now().into_std();
    // All transactions lock rows in one order, so that none deadlock; this includes the circuits' rows.
    let mut shares: Vec<_> = claim.shares.iter().collect();
    shares.sort_unstable_by_key(|share| share.webhook);
    for share in shares {
        if share.take == 0 || store.endpoints.is_unreadable(share.webhook, now) {
            continue;
        }
        webhooks.push(share.webhook.as_uuid());
        takes.push(i64::from(share.take));
        leases_us.push(to_micros_up(share.lease_for));
        marks.push(store.marks.get(share.webhook));
        if share.is_limited {
            limited.push(share.webhook.as_uuid());
        }
    }
    if webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let taking = async |statement: Arc<str>| {
        let one = async |conn: &mut PgConnection, takes: &[i64], is_locked: &[bool]| {
            let rows = sqlx::query_as(AssertSqlSafe(statement))
                .bind(&webhooks)
                .bind(takes)
                .bind(&leases_us)
                .bind(&marks)
                .bind(claim.token.as_i64())
                .bind(FailureClass::Abandoned.as_str())
                .bind(Attempt::ABANDONED)
                .bind(is_locked)
                .fetch_all(conn)
                .await;
            unless_gone(rows)
        };
        let run = store.claim().run(async |conn| {
            if limited.is_empty() {
                return one(conn, &takes, &vec![false; takes.len()]).await;
            }
            let mut tx = conn.begin().await?;
            let locked = limits::lock(&mut tx, &limited).await?;
            let allowed = |(webhook, take): (&Uuid, &i64)| {
                locked.get(webhook).map_or(*take, |locked| i64::from(locked.allowed).min(*take))
            };
            let takes: Vec<_> = webhooks.iter().zip(&takes).map(allowed).collect();
            let is_locked: Vec<_> = webhooks.iter().map(|webhook| locked.contains_key(webhook)).collect();
            let rows = one(&mut tx, &takes, &is_locked).await?;
            limits::spend(&mut tx, &locked, rows.as_deref().unwrap_or_default()).await?;
            tx.commit().await?;
            Ok(rows)
        });
        run.await
    };
    if let Some(rows) = taking(store.claim_statement.text()).await? {
        return Ok(rows);
    }
    // The partition is gone.
    store.claim_statement.forget_partition();
    Ok(taking(store.claim_statement.text()).await?.unwrap_or_default())
}

/// Schedules an early scan from the beginning where the claim found less than it wanted.
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
    event_type: &str,
    body: Bytes,
    target: Arc<rdev_webhooks_domain::DeliveryTarget>,
) -> Result<LeasedDelivery, StoreError> {
    let event_id = EventId::from_uuid(row.event_id);
    Ok(LeasedDelivery {
        lease,
        event_id,
        event_type: event_type.parse().map_err(|error| corrupt_event(event_id, "event_type", error))?,
        project: row
            .project
            .map(|text| text.parse())
            .transpose()
            .map_err(|error: ProjectNameError| corrupt_event(event_id, "project", error))?,
        body,
        traceparent: row
            .traceparent
            .map(|text| text.parse())
            .transpose()
            .map_err(|error| corrupt_event(event_id, "traceparent", error))?,
        attempt: to_u32(row.attempts),
        automatic_attempts: to_u32(row.automatic_attempts),
        abandoned_count: to_u32(row.abandoned_count),
        trigger: Trigger::parse(&row.trigger)
            .ok_or_else(|| corrupt("delivery_queue", "trigger", lease.delivery, "an unknown trigger"))?,
        resumes: row.resumes,
        overdue: (row.claimed_at - row.due_at).to_std().unwrap_or_default(),
        claimed_at: from_sql_time(row.claimed_at),
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
