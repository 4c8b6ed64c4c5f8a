//! Discovery of claimable deliveries.

use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Discovery, DueWebhook, LastFailure, RateLimit, Timestamp, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use crate::error::DbError;
use crate::rows::micros;
use crate::webhooks::rows as webhook;

/// Maximum number of webhooks that a statement walks over.
const MAX_WALK: u32 = 4_096;

/// Walks over the webhooks that have unfinished deliveries, from one to the next by the index, and stops as
/// soon as the answer is known. A statement walks over no more webhooks than the page has room for, and over twice as many
/// each time few of them are due.
///
/// For each webhook, the first claimable delivery is either the first one without a lease, or one whose lease
/// ends before that one is due; since a leased delivery was due when it was claimed, it comes before that one
/// in the index. Nothing is looked up of a webhook that an open circuit or a spent rate holds back.
pub(super) async fn discover(
    conn: &mut SqliteConnection,
    after: Option<WebhookId>,
    limit: u32,
    cache: &EndpointCache,
    now: Timestamp,
) -> Result<Discovery, DbError> {
    // Every id sorts after the empty one.
    let mut after = after.map_or_else(Vec::new, |id| id.as_uuid().as_bytes().to_vec());
    let mut walk = limit.saturating_add(1).min(MAX_WALK);
    let mut discovery = Discovery::default();
    while let Some(last) = walk_on(conn, after, (walk, limit), cache, now, &mut discovery).await?
        && !discovery.has_more
    {
        after = last;
        walk = walk.saturating_mul(2).min(MAX_WALK);
    }
    Ok(discovery)
}

/// Walks over at most `walk` webhooks. Returns the last one, unless there are no more.
async fn walk_on(
    conn: &mut SqliteConnection,
    after: Vec<u8>,
    (walk, limit): (u32, u32),
    cache: &EndpointCache,
    now: Timestamp,
    discovery: &mut Discovery,
) -> Result<Option<Vec<u8>>, DbError> {
    let now_micros = micros(now);
    let (min_wait, max_ahead) =
        (RateLimit::MIN_WAIT.as_micros() as i64, RateLimit::MAX_AHEAD.as_micros() as i64);
    let rows = sqlx::query_file!("src/queue/discover.sql", after, now_micros, min_wait, max_ahead, walk)
        .fetch_all(conn)
        .await?;
    let mut last = None;
    for row in rows {
        let claimable_at = row.claimable_at.map(Timestamp::from_micros);
        if let Some(is_last) = row.is_last {
            let known = discovery.next_due_in;
            let wait = claimable_at.map(|at| at.since(now));
            discovery.next_due_in = known.into_iter().chain(wait).min();
            last = row.id.filter(|_| !is_last);
        } else if discovery.due.len() >= limit as usize {
            discovery.has_more = true;
        } else {
            let read = |id: &[u8]| {
                let id = webhook::id(id)?;
                let place = webhook::row(&id);
                Ok::<_, StoreError>(DueWebhook {
                    id,
                    max_in_flight: webhook::max_in_flight(&place, row.max_in_flight)?,
                    is_limited: row.is_limited == Some(true),
                    timeout: webhook::timeout(&place, row.timeout_ns)?,
                    last_failure: match row.last_failure_silent {
                        _ if row.is_abandoned == Some(true) => Some(LastFailure::Silent),
                        Some(true) => Some(LastFailure::Silent),
                        Some(false) => Some(LastFailure::Prompt),
                        None => None,
                    },
                    overdue: now.since(claimable_at.unwrap_or(now)),
                })
            };
            let due = damage::leave_out(read(&row.id.unwrap_or_default()));
            discovery.due.extend(due.filter(|due| !cache.is_unreadable(due.id, Instant::now().into_std())));
        }
    }
    Ok(last)
}
