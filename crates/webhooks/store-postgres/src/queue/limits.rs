//! The limits of a webhook that all workers keep together: its rate and its own cap of deliveries in flight.
//!
//! A claim of limited webhooks is a transaction. It locks their rows in `shared_limits`, takes what the limits
//! allow, and records how far it has spent the rates. It leaves out webhooks that another claim has locked: no
//! claim waits for another, so that a worker that stops in between holds up no other webhook.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::{RateLimit, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::bodies::ClaimedRow;
use crate::convert::{from_sql_time, to_sql_time};

/// A locked webhook and what its limits allow.
#[derive(Debug)]
pub(super) struct Locked {
    rate_limit: Option<RateLimit>,
    spent_until: Option<Timestamp>,
    now: Timestamp,
    /// The number of deliveries that may be claimed.
    pub(super) allowed: u32,
}

/// Locks webhooks and returns those that were free.
///
/// The deliveries in flight are counted after the lock, by a statement of its own, which sees what the last
/// holder of the lock has claimed. They are among the webhook's first deliveries, because a claim takes the
/// longest due first; so as many deliveries are looked at as may be in flight. Only the deliveries of a webhook
/// that was disabled can be due earlier than deliveries in flight. While these last, they are not counted.
pub(super) async fn lock(
    conn: &mut PgConnection,
    webhooks: &[Uuid],
) -> Result<HashMap<Uuid, Locked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT l.webhook_id, l.spent_until, w.rate_limit, w.max_in_flight, rdev_webhooks.now() AS "now!"
        FROM rdev_webhooks.shared_limits l JOIN rdev_webhooks.webhooks w ON w.id = l.webhook_id
        WHERE l.webhook_id = ANY($1) ORDER BY l.webhook_id FOR UPDATE OF l SKIP LOCKED"#,
        webhooks
    )
    .fetch_all(&mut *conn)
    .await?;
    let (capped, caps): (Vec<_>, Vec<_>) =
        rows.iter().filter_map(|row| Some((row.webhook_id, row.max_in_flight?))).unzip();
    let mut locked: HashMap<_, _> = rows
        .into_iter()
        .map(|row| {
            // A rate that cannot be read keeps the webhook from discovery.
            let rate_limit = row.rate_limit.and_then(RateLimit::per_second);
            let (spent_until, now) = (row.spent_until.map(from_sql_time), from_sql_time(row.now));
            let allowed = rate_limit.map_or(u32::MAX, |rate| rate.allowed(spent_until, now));
            (row.webhook_id, Locked { rate_limit, spent_until, now, allowed })
        })
        .collect();
    if !capped.is_empty() {
        let rows = sqlx::query!(
            r#"SELECT c.webhook_id AS "webhook_id!", c.cap - busy.count AS "free!"
            FROM unnest($1::uuid[], $2::int8[]) AS c(webhook_id, cap)
            CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE first.lease_expires_at > rdev_webhooks.now()) AS count
                FROM (
                    SELECT q.lease_expires_at FROM rdev_webhooks.delivery_queue q
                    WHERE q.webhook_id = c.webhook_id AND q.wake_at IS NULL
                        AND q.due_at <= rdev_webhooks.now()
                    ORDER BY q.due_at LIMIT c.cap
                ) first
            ) busy"#,
            &capped,
            &caps
        )
        .fetch_all(&mut *conn)
        .await?;
        for row in rows {
            if let Some(locked) = locked.get_mut(&row.webhook_id) {
                let free = u32::try_from(row.free.max(0)).unwrap_or(u32::MAX);
                locked.allowed = locked.allowed.min(free);
            }
        }
    }
    Ok(locked)
}

/// Records the rates that a claim has spent.
pub(super) async fn spend(
    conn: &mut PgConnection,
    locked: &HashMap<Uuid, Locked>,
    claimed: &[ClaimedRow],
) -> Result<(), sqlx::Error> {
    let mut counts: HashMap<Uuid, u32> = HashMap::new();
    for row in claimed {
        *counts.entry(row.webhook_id).or_default() += 1;
    }
    let spent = counts.into_iter().filter_map(|(webhook, count)| {
        let Locked { rate_limit, spent_until, now, .. } = locked.get(&webhook)?;
        Some((webhook, to_sql_time((*rate_limit)?.spend(*spent_until, count, *now))))
    });
    let (webhooks, untils): (Vec<Uuid>, Vec<DateTime<Utc>>) = spent.unzip();
    if !webhooks.is_empty() {
        sqlx::query!(
            "UPDATE rdev_webhooks.shared_limits l SET spent_until = s.spent_until
             FROM unnest($1::uuid[], $2::timestamptz[]) AS s(webhook_id, spent_until)
             WHERE l.webhook_id = s.webhook_id",
            &webhooks,
            &untils
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}
