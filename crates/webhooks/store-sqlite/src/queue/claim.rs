//! Claiming of deliveries.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdev_keyring::Keyring;
use rdev_webhooks_domain::delivery::AbandonedAttempt;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Attempt, Circuit, Claim, ClaimShare, DeliveryTarget, EventId, LeaseRef, LeasedDelivery, ProjectName,
    Timestamp, TraceParent, WebhookId,
};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use super::limits;
use crate::error::{DbError, Row};
use crate::json;
use crate::rows::delivery::{self, DeliveryRow, StoredState, delivery_rows};
use crate::rows::{attempt, micros};
use crate::webhooks::{endpoints, health, rows as webhook};

/// The time for which an unreadable delivery is postponed.
const POSTPONE_FOR: Duration = Duration::from_secs(60 * 60);

/// Leases the due deliveries of each share. An unreadable webhook is skipped for a while, and an unreadable
/// delivery is postponed, so that neither holds up the rest.
pub(crate) async fn claim(
    conn: &mut SqliteConnection,
    claim: &Claim,
    cache: &EndpointCache,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Vec<LeasedDelivery>, DbError> {
    let (versions, limited) = enabled(conn, &claim.shares).await?;
    let found = endpoints::load(conn, cache, keyring, &versions).await?;
    let shares = claim.shares.iter().filter_map(|share| {
        let target = found.get(&share.webhook)?;
        Some((share.webhook, (share, Arc::clone(target))))
    });
    let shares: HashMap<_, _> = shares.collect();
    let limits = limits::load(&mut *conn, &limited, now).await?;
    let mut healths = health::load(&mut *conn, shares.keys().copied()).await?;
    healths.retain(|_, health| health.circuit(now) != Circuit::Closed);
    let allowed = shares.values().filter_map(|(share, _)| {
        let allowed = limits.get(&share.webhook).map_or(u32::MAX, |limits| limits.allowed);
        let share = ClaimShare { take: share.take.min(allowed), ..**share };
        match healths.get(&share.webhook).map(|health| health.circuit(now)) {
            None | Some(Circuit::Closed) => Some(share),
            Some(Circuit::HalfOpen) => Some(ClaimShare { take: share.take.min(1), ..share }),
            Some(Circuit::Open { .. }) => None,
        }
    });
    let rows = due(conn, allowed, now).await?;
    let events = sent(conn, &rows).await?;

    let mut leased = Vec::with_capacity(rows.len());
    let mut states = Vec::with_capacity(rows.len());
    let mut abandoned = Vec::new();
    let mut damaged = Vec::new();
    let mut probed = BTreeMap::new();
    for row in &rows {
        match lease(row, claim, &shares, &events, now) {
            Ok(Some((delivery, state, lost))) => {
                let id = delivery.lease.delivery;
                let webhook = delivery.target.webhook_id;
                if let (Some(health), Some((share, _))) = (healths.get_mut(&webhook), shares.get(&webhook)) {
                    health.probe(now, share.lease_for);
                    probed.insert(webhook, *health);
                }
                abandoned.extend(lost.map(|lost| (id, Attempt::abandoned(lost, now))));
                states.push((id, state));
                leased.push(delivery);
            }
            Ok(None) => {}
            Err(error) => {
                damage::log(&error);
                damaged.push(row.id.as_slice());
            }
        }
    }
    postpone(conn, &damaged, now).await?;
    delivery::save(conn, states).await?;
    limits::spend(conn, &limits, &leased, now).await?;
    health::save(conn, &probed).await?;
    attempt::record(conn, now, abandoned.iter().map(|(id, attempt)| (*id, attempt))).await?;
    delivery::save_last_attempts(conn, abandoned.iter().map(|(id, attempt)| (*id, attempt))).await?;
    Ok(leased)
}

/// Postpones unreadable deliveries.
async fn postpone(conn: &mut SqliteConnection, deliveries: &[&[u8]], now: Timestamp) -> Result<(), DbError> {
    let due_at = micros(now + POSTPONE_FOR);
    for id in deliveries {
        sqlx::query!(
            "UPDATE webhooks_deliveries SET due_at = ?2, claimable_at = ?2 WHERE id = ?1 AND claimable_at IS NOT NULL",
            id,
            due_at
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

type Shares<'a> = HashMap<WebhookId, (&'a ClaimShare, Arc<DeliveryTarget>)>;

/// A lease, the state of its delivery, and the lease of a dead worker that it takes over.
type Leased = (LeasedDelivery, StoredState, Option<AbandonedAttempt>);

fn lease(
    row: &DeliveryRow,
    claim: &Claim,
    shares: &Shares<'_>,
    events: &HashMap<Vec<u8>, Sent>,
    now: Timestamp,
) -> Result<Option<Leased>, StoreError> {
    let delivery = row.delivery(now)?;
    let place = Row { table: "deliveries", id: &delivery.id };
    let (StoredState::Unfinished(mut progress), Some((share, target))) =
        (row.state()?, shares.get(&delivery.webhook_id))
    else {
        return Ok(None);
    };
    let event = place.some("event_id", events.get(&row.event_id))?;
    let project = event.project(delivery.event_id)?;
    let traceparent = event.traceparent(delivery.event_id)?;
    let overdue = now.since(progress.due_at);
    let lost = progress.claim(claim.token, now, share.lease_for);
    let leased = LeasedDelivery {
        lease: LeaseRef { delivery: delivery.id, token: claim.token },
        event_id: delivery.event_id,
        event_type: delivery.event_type,
        project,
        body: event.body.clone(),
        traceparent,
        attempt: progress.attempts,
        automatic_attempts: progress.automatic_attempts,
        abandoned_count: progress.abandoned_count,
        trigger: progress.trigger,
        resumes: progress.deferred_until.is_some(),
        overdue,
        claimed_at: now,
        target: Arc::clone(target),
    };
    Ok(Some((leased, StoredState::Unfinished(progress), lost)))
}

/// Returns the versions of the shares' webhooks that take deliveries, and those among them that have limits.
async fn enabled(
    conn: &mut SqliteConnection,
    shares: &[ClaimShare],
) -> Result<(HashMap<WebhookId, u64>, Vec<WebhookId>), DbError> {
    let ids = json::ids(shares.iter().map(|share| share.webhook.as_uuid()))?;
    let rows = sqlx::query!(
        r#"SELECT id, version, coalesce(rate_limit, max_in_flight) IS NOT NULL AS "is_limited!: bool"
           FROM webhooks_webhooks
           WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND disabled_at IS NULL AND deleted_at IS NULL"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let (mut versions, mut limited) = (HashMap::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let read =
            webhook::id(&row.id).and_then(|id| Ok((id, webhook::row(&id).number("version", row.version)?)));
        if let Some((id, version)) = damage::leave_out(read) {
            versions.insert(id, version);
            limited.extend(row.is_limited.then_some(id));
        }
    }
    Ok((versions, limited))
}

/// Returns the due deliveries of each share, the longest due first. Shares of the same size are read
/// together.
async fn due(
    conn: &mut SqliteConnection,
    shares: impl Iterator<Item = ClaimShare>,
    now: Timestamp,
) -> Result<Vec<DeliveryRow>, DbError> {
    let mut by_take: BTreeMap<u32, Vec<WebhookId>> = BTreeMap::new();
    for share in shares {
        by_take.entry(share.take).or_default().push(share.webhook);
    }
    let now = micros(now);
    let mut due = Vec::new();
    for (take, webhooks) in by_take {
        let webhooks = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
        let rows = delivery_rows!(
            "FROM json_each(?1) AS share CROSS JOIN webhooks_deliveries AS d
               ON d.id IN (SELECT x.id FROM webhooks_deliveries AS x
                 INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                 WHERE x.webhook_id = unhex(share.value) AND x.due_at <= ?2 AND x.claimable_at <= ?2
                 ORDER BY x.due_at, x.id LIMIT +?3)
             ORDER BY share.key, d.due_at, d.id",
            webhooks,
            now,
            take
        )
        .fetch_all(&mut *conn)
        .await?;
        due.extend(rows);
    }
    Ok(due)
}

/// The event as it is sent, shared by all its deliveries.
struct Sent {
    project: Option<String>,
    body: Bytes,
    traceparent: Option<String>,
}

impl Sent {
    fn project(&self, event: EventId) -> Result<Option<ProjectName>, StoreError> {
        let row = Row { table: "events", id: &event };
        self.project.as_deref().map(|project| row.parse("project", project)).transpose()
    }

    fn traceparent(&self, event: EventId) -> Result<Option<TraceParent>, StoreError> {
        let row = Row { table: "events", id: &event };
        self.traceparent.as_deref().map(|trace| row.parse("traceparent", trace)).transpose()
    }
}

async fn sent(
    conn: &mut SqliteConnection,
    deliveries: &[DeliveryRow],
) -> Result<HashMap<Vec<u8>, Sent>, DbError> {
    let mut ids = Vec::with_capacity(deliveries.len());
    // A delivery whose event id cannot be read is detected when it is leased.
    ids.extend(deliveries.iter().filter_map(|delivery| Some(delivery.event_id().ok()?.as_uuid())));
    ids.sort_unstable();
    ids.dedup();
    let ids = json::ids(ids)?;
    let rows = sqlx::query!(
        "SELECT id, project, body, traceparent FROM webhooks_events WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        ids
    )
    .fetch_all(conn)
    .await?;
    let sent = rows.into_iter().map(|row| {
        (row.id, Sent { project: row.project, body: row.body.into(), traceparent: row.traceparent })
    });
    Ok(sent.collect())
}
