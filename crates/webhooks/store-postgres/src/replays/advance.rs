//! One step of a replay.

use std::num::NonZeroU32;

use rdev_webhooks_domain::ports::{Advance, StoreError};
use rdev_webhooks_domain::replay::{Ended, LOOK_AT};
use rdev_webhooks_domain::{
    CancelReason, DeliveryId, DeliveryOutcome, RateLimit, Replay, ReplayId, Trigger, WebhookId,
};
use sqlx::{Connection, PgConnection};

use super::rows::{postpone, replay_rows, save, to_replay};
use crate::connect::Inner;
use crate::convert::{from_sql_time, to_sql_time, to_u32};

/// Makes one step, in one transaction. If the replay's row is locked, leaves the step to the lock's holder.
pub(super) async fn advance(store: &Inner, id: ReplayId) -> Result<Option<Advance>, StoreError> {
    let stepped = store
        .write()
        .run(async |conn| {
            let mut tx = conn.begin().await?;
            let row = replay_rows!("WHERE r.id = $1 AND r.open FOR UPDATE SKIP LOCKED", id.as_uuid());
            let Some(row) = row.fetch_optional(&mut *tx).await? else {
                return Ok(Ok(None));
            };
            let now = from_sql_time(row.now);
            let mut replay = match to_replay(row) {
                Ok(replay) => replay,
                Err(error) => return Ok(Err(error)),
            };
            let before = replay.clone();
            let ended = collect_ended(&mut tx, id).await?;
            replay.settle(ended);
            let standing = standing(&mut tx, replay.selection.webhook_id).await?;
            let is_enabled = matches!(standing, Standing::Enabled { .. });
            let room = match standing {
                Standing::Enabled { rate_limit, max_in_flight } => {
                    replay.room(Replay::window(rate_limit, max_in_flight, ended))
                }
                Standing::Disabled => 0,
                Standing::Deleted => {
                    replay.cancel(CancelReason::WebhookDeleted, now);
                    0
                }
            };
            let mut queued = 0;
            if room > 0 {
                let found = take(&mut tx, &replay, room).await?;
                queued = found.taken;
                replay.queue(found.taken, found.looked_to);
            }
            replay.complete(now);
            if replay == before {
                postpone(&mut tx, id, is_enabled).await?;
            } else {
                save(&mut tx, &replay).await?;
            }
            tx.commit().await?;
            let looked = room > 0;
            Ok(Ok(Some(Advance { queued, ended: ended.total(), looked, state: replay.state })))
        })
        .await??;
    if let Some(step) = stepped.filter(|step| step.queued > 0) {
        store.wakeups.wake(step.queued.into());
    }
    Ok(stepped)
}

/// The state of a replay's webhook.
enum Standing {
    Enabled { rate_limit: Option<RateLimit>, max_in_flight: Option<NonZeroU32> },
    Disabled,
    Deleted,
}

/// Returns the state of the webhook. Locks the webhook's row, so that the webhook is not deleted before its
/// new deliveries are queued and can be cancelled.
async fn standing(tx: &mut PgConnection, webhook: WebhookId) -> Result<Standing, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT disabled_reason IS NULL AS "enabled!", rate_limit, max_in_flight
         FROM rdev_webhooks.webhooks WHERE id = $1 AND deleted_at IS NULL FOR SHARE"#,
        webhook.as_uuid()
    )
    .fetch_optional(tx)
    .await?;
    Ok(match row {
        None => Standing::Deleted,
        Some(row) if !row.enabled => Standing::Disabled,
        Some(row) => {
            let cap = row.max_in_flight.and_then(|cap| u32::try_from(cap).ok());
            let rate_limit = row.rate_limit.and_then(RateLimit::per_second);
            Standing::Enabled { rate_limit, max_in_flight: cap.and_then(NonZeroU32::new) }
        }
    })
}

/// Removes the deliveries that have left the queue from the replay, and counts their outcomes.
async fn collect_ended(tx: &mut PgConnection, id: ReplayId) -> Result<Ended, sqlx::Error> {
    let outcomes = sqlx::query_scalar!(
        r#"
        WITH ended AS MATERIALIZED (
            SELECT r.delivery_id, (SELECT d.outcome FROM rdev_webhooks.deliveries d
                WHERE d.id = r.delivery_id) AS outcome
            FROM rdev_webhooks.replay_deliveries r
            WHERE r.replay_id = $1 AND NOT EXISTS (
                SELECT FROM rdev_webhooks.delivery_queue q WHERE q.id = r.delivery_id)
        ),
        forgotten AS (
            DELETE FROM rdev_webhooks.replay_deliveries
            WHERE replay_id = $1 AND delivery_id = ANY(ARRAY(SELECT delivery_id FROM ended))
        )
        SELECT outcome FROM ended
        "#,
        id.as_uuid()
    )
    .fetch_all(tx)
    .await?;
    let mut ended = Ended::default();
    for outcome in outcomes {
        ended.add(outcome.as_deref().and_then(DeliveryOutcome::parse));
    }
    Ok(ended)
}

struct Found {
    taken: u32,
    /// `None` if there is nothing more to scan.
    looked_to: Option<DeliveryId>,
}

/// Queues the next deliveries, up to `room` of them.
///
/// Only one of the two halves of `looked_at` is executed: an index covers only the deliveries that did not
/// succeed. The taken deliveries are found by their primary key, only in the partitions from the first to the
/// last of them; with a join the planner could walk over the whole range. The events are locked, so that they
/// are not pruned before the transaction ends; events that are being pruned are skipped.
async fn take(tx: &mut PgConnection, replay: &Replay, room: u32) -> Result<Found, sqlx::Error> {
    let selection = &replay.selection;
    let projects = super::projects(selection);
    let row = sqlx::query!(
        r#"
        WITH looked_at AS MATERIALIZED (
            (SELECT d.id, d.event_id, d.outcome, d.finished_at FROM rdev_webhooks.deliveries d
            WHERE $2 <> 'succeeded' AND d.webhook_id = $1 AND d.outcome = $2
                AND d.outcome <> 'succeeded' AND d.id > $3 AND d.id < $4
            ORDER BY d.id LIMIT $5)
            UNION ALL
            (SELECT d.id, d.event_id, d.outcome, d.finished_at FROM rdev_webhooks.deliveries d
            WHERE $2 = 'succeeded' AND d.webhook_id = $1 AND d.id > $3 AND d.id < $4
            ORDER BY d.id LIMIT $5)
        ),
        wanted AS MATERIALIZED (
            SELECT l.id, l.event_id FROM looked_at l
            WHERE l.outcome = $2 AND l.finished_at <= $6
                AND ($7::text[] IS NULL OR (SELECT e.project FROM rdev_webhooks.events e
                    WHERE e.id = l.event_id) = ANY($7))
            ORDER BY l.id LIMIT $8
        ),
        held AS MATERIALIZED (
            SELECT e.id FROM rdev_webhooks.events e
            WHERE e.id = ANY(ARRAY(SELECT event_id FROM wanted))
                AND e.id >= (SELECT event_id FROM wanted ORDER BY event_id LIMIT 1)
                AND e.id <= (SELECT event_id FROM wanted ORDER BY event_id DESC LIMIT 1)
            FOR KEY SHARE SKIP LOCKED
        ),
        taken AS (
            DELETE FROM rdev_webhooks.deliveries d
            WHERE d.id = ANY(ARRAY(SELECT id FROM wanted WHERE (event_id IN (SELECT id FROM held)) IS TRUE))
                AND d.id >= (SELECT id FROM wanted ORDER BY id LIMIT 1)
                AND d.id <= (SELECT id FROM wanted ORDER BY id DESC LIMIT 1)
            RETURNING d.*
        ),
        logged AS (
            INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at, duration_ns,
                dns_ns, connect_ns, tls_ns, first_byte_ns, signature, status, response_headers,
                response_body, response_truncated)
            SELECT t.id, t.attempts, t.success_trigger, t.success_started_at, t.success_duration_ns,
                t.success_dns_ns, t.success_connect_ns, t.success_tls_ns, t.success_first_byte_ns,
                t.success_signature, t.success_status, t.success_response_headers,
                t.success_response_body, t.success_response_truncated
            FROM taken t WHERE t.success_started_at IS NOT NULL
            ON CONFLICT (delivery_id, number) DO NOTHING
        ),
        queued AS (
            INSERT INTO rdev_webhooks.delivery_queue
                (id, event_id, webhook_id, due_at, attempts, automatic_attempts, trigger)
            SELECT t.id, t.event_id, t.webhook_id, rdev_webhooks.now(), t.attempts,
                t.automatic_attempts, ($9::text)::rdev_webhooks.attempt_trigger
            FROM taken t
        ),
        noted AS (
            INSERT INTO rdev_webhooks.replay_deliveries (replay_id, delivery_id)
            SELECT $10, t.id FROM taken t
        ),
        told AS (
            INSERT INTO rdev_webhooks.reopened (at, delivery_id)
            SELECT rdev_webhooks.now(), t.id FROM taken t
        )
        SELECT (SELECT count(*) FROM taken)::int4 AS "taken!",
            (SELECT count(*) FROM wanted)::int4 AS "wanted!",
            (SELECT id FROM wanted ORDER BY id DESC LIMIT 1) AS last_wanted,
            (SELECT count(*) FROM looked_at)::int4 AS "looked_at!",
            (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1) AS last_looked_at
        "#,
        selection.webhook_id.as_uuid(),
        selection.outcome.as_str(),
        replay.looked_to.unwrap_or(DeliveryId::floor(selection.until)).as_uuid(),
        DeliveryId::floor(selection.until).as_uuid(),
        i64::from(LOOK_AT),
        to_sql_time(replay.matched.at),
        projects.as_deref(),
        i64::from(room),
        Trigger::Replay.as_str(),
        replay.id.as_uuid(),
    )
    .fetch_one(tx)
    .await?;
    let looked_to = if to_u32(row.wanted) >= room {
        row.last_wanted
    } else if to_u32(row.looked_at) >= LOOK_AT {
        row.last_looked_at
    } else {
        None
    };
    Ok(Found { taken: to_u32(row.taken), looked_to: looked_to.map(DeliveryId::from_uuid) })
}
