//! Discovery of claimable deliveries.

use std::time::Duration;

use futures_util::TryStreamExt;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Discovery, DueWebhook, LastFailure, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use crate::rows::{micros, webhook};
use crate::targets::Targets;
use crate::{damage, error};

/// Walks over the webhooks that have unfinished deliveries, from one to the next by the index, and stops as
/// soon as the answer is known.
///
/// For each webhook, the first claimable delivery is either the first one without a lease, or one whose lease
/// ends before that one is due; since a leased delivery was due when it was claimed, it comes before that one
/// in the index. A delivery behind an open circuit is claimable when the circuit's wait ends.
pub(super) async fn discover(
    conn: &mut SqliteConnection,
    after: Option<WebhookId>,
    limit: u32,
    targets: &Targets,
    now: Timestamp,
) -> Result<Discovery, StoreError> {
    // Every id sorts after the empty one.
    let after = after.map_or_else(Vec::new, |id| id.as_uuid().as_bytes().to_vec());
    let now_micros = micros(now);
    let mut rows = sqlx::query!(
        r#"WITH RECURSIVE queued (webhook_id) AS (
             SELECT min(webhook_id) FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             WHERE claimable_at IS NOT NULL AND webhook_id > ?1
             UNION ALL
             SELECT (SELECT min(d.webhook_id) FROM webhooks_deliveries AS d
               INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                     WHERE d.claimable_at IS NOT NULL AND d.webhook_id > queued.webhook_id)
             FROM queued WHERE queued.webhook_id IS NOT NULL),
           waiting (webhook_id, free_at) AS (
             SELECT webhook_id,
               coalesce((SELECT d.due_at FROM webhooks_deliveries AS d
                 INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                 WHERE d.webhook_id = queued.webhook_id AND d.claimable_at = d.due_at
                   AND d.claimable_at IS NOT NULL
                 ORDER BY d.due_at LIMIT 1), 9223372036854775807)
             FROM queued WHERE webhook_id IS NOT NULL)
           SELECT w.id, w.max_in_flight, w.rate_limit, w.timeout_ns,
             EXISTS (SELECT 1 FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
               WHERE d.webhook_id = waiting.webhook_id AND d.due_at <= waiting.free_at
                 AND d.claimable_at > d.due_at AND d.claimable_at <= ?2) AS "is_abandoned!: bool",
             (SELECT h.last_failure_silent FROM webhooks_endpoint_health AS h
               WHERE h.webhook_id = waiting.webhook_id) AS "last_failure_silent: bool",
             max(coalesce((SELECT h.open_until FROM webhooks_endpoint_health AS h
                 WHERE h.webhook_id = waiting.webhook_id AND h.open_count > 0), 0),
               min(waiting.free_at, coalesce((SELECT min(d.claimable_at) FROM webhooks_deliveries AS d
                 INDEXED BY webhooks_deliveries_by_webhook_id_due_at
                 WHERE d.webhook_id = waiting.webhook_id AND d.due_at < waiting.free_at
                   AND d.claimable_at IS NOT NULL), waiting.free_at))) AS "claimable_at!: i64"
           FROM waiting CROSS JOIN webhooks_webhooks AS w ON w.id = waiting.webhook_id
           WHERE w.disabled_at IS NULL AND w.deleted_at IS NULL"#,
        after,
        now_micros
    )
    .fetch(conn);
    let mut discovery = Discovery::default();
    while let Some(row) = rows.try_next().await.map_err(error::database)? {
        let claimable_at = Timestamp::from_micros(row.claimable_at);
        if claimable_at > now {
            let wait = claimable_at.since(now);
            let known = discovery.next_due_in.unwrap_or(Duration::MAX);
            discovery.next_due_in = Some(known.min(wait));
        } else if discovery.due.len() == limit as usize {
            discovery.has_more = true;
            break;
        } else {
            let read = |id: &[u8]| {
                let id = webhook::id(id)?;
                let place = webhook::row(&id);
                Ok::<_, StoreError>(DueWebhook {
                    id,
                    max_in_flight: webhook::max_in_flight(&place, row.max_in_flight)?,
                    rate_limit: webhook::rate_limit(&place, row.rate_limit)?,
                    timeout: webhook::timeout(&place, row.timeout_ns)?,
                    last_failure: match row.last_failure_silent {
                        _ if row.is_abandoned => Some(LastFailure::Silent),
                        Some(true) => Some(LastFailure::Silent),
                        Some(false) => Some(LastFailure::Prompt),
                        None => None,
                    },
                    overdue: now.since(claimable_at),
                })
            };
            let due = damage::leave_out(read(&row.id));
            discovery.due.extend(due.filter(|due| !targets.is_unreadable(due.id)));
        }
    }
    Ok(discovery)
}
