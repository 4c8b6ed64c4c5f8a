//! Discovery of claimable deliveries.

use std::time::Duration;

use futures_util::TryStreamExt;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Discovery, DueWebhook, LastFailure, RateLimit, Timestamp, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use crate::error::DbError;
use crate::rows::micros;
use crate::webhooks::rows as webhook;

/// Walks over the webhooks that have unfinished deliveries, from one to the next by the index, and stops as
/// soon as the answer is known.
///
/// For each webhook, the first claimable delivery is either the first one without a lease, or one whose lease
/// ends before that one is due; since a leased delivery was due when it was claimed, it comes before that one
/// in the index. A delivery behind an open circuit is claimable when the circuit's wait ends,
/// and one behind a spent rate when the next one is allowed.
pub(super) async fn discover(
    conn: &mut SqliteConnection,
    after: Option<WebhookId>,
    limit: u32,
    cache: &EndpointCache,
    now: Timestamp,
) -> Result<Discovery, DbError> {
    // Every id sorts after the empty one.
    let after = after.map_or_else(Vec::new, |id| id.as_uuid().as_bytes().to_vec());
    let now_micros = micros(now);
    let (min_wait, max_ahead) =
        (RateLimit::MIN_WAIT.as_micros() as i64, RateLimit::MAX_AHEAD.as_micros() as i64);
    let mut rows =
        sqlx::query_file!("src/queue/discover.sql", after, now_micros, min_wait, max_ahead).fetch(conn);
    let mut discovery = Discovery::default();
    while let Some(row) = rows.try_next().await? {
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
                    is_limited: row.is_limited,
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
            discovery.due.extend(due.filter(|due| !cache.is_unreadable(due.id, Instant::now().into_std())));
        }
    }
    Ok(discovery)
}
