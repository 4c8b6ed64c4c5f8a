//! Discovery of claimable deliveries.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Discovery, DueWebhook, LastFailure, RateLimit, WebhookId};
use rdev_webhooks_store::damage;
use tokio::time::Instant;
use uuid::Uuid;

use super::asleep;
use crate::convert::{from_nanos, to_i32, to_micros_up};
use crate::store::Inner;
use crate::store::low_water_marks::MARGIN_MICROS;
use crate::webhooks::rows::max_in_flight;

/// Returns a page of webhooks with claimable deliveries.
///
/// The statement walks from webhook to webhook rather than over their deliveries: each step goes to the next
/// known one, from its low-water mark on, or to an unknown one before it. It ends when it has found one more
/// than `limit`. A delivery behind an open circuit is claimable when the circuit's wait ends,
/// and one behind a spent rate when the next one is allowed.
pub(crate) async fn discover(
    store: &Inner,
    after: Option<WebhookId>,
    limit: u32,
) -> Result<Discovery, StoreError> {
    let asleep = asleep::wake(store).await?;
    let after = after.unwrap_or(WebhookId::from_uuid(Uuid::nil()));
    // Enough for a page where most known webhooks are idle; those beyond are discovered again.
    let known = store.marks.after(after, 256 + 4 * limit as usize);
    let (ids, marks): (Vec<_>, Vec<_>) = known.into_iter().map(|(id, at)| (id.as_uuid(), at)).unzip();
    let rows = store
        .claim()
        .run(async |conn| {
            sqlx::query_file!(
                "src/queue/discover.sql",
                after.as_uuid(),
                to_i32(limit),
                &ids,
                &marks as &[Option<chrono::DateTime<chrono::Utc>>],
                MARGIN_MICROS,
                to_micros_up(RateLimit::MIN_WAIT),
                to_micros_up(RateLimit::MAX_AHEAD),
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;

    let (mut discovery, now) = (Discovery::default(), Instant::now().into_std());
    let (mut claimable, mut disabled, mut last) = (BTreeSet::new(), Vec::new(), after.as_uuid());
    for row in rows {
        let id = WebhookId::from_uuid(row.webhook_id);
        last = last.max(row.webhook_id);
        if row.claimable {
            claimable.insert(row.webhook_id);
        }
        if !row.enabled {
            store.marks.forget(id);
            disabled.push(row.webhook_id);
            continue;
        }
        store.marks.put(id, row.since, row.from_beginning, row.busy);
        if !row.claimable {
            let wait = row.next_in_us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0)));
            discovery.next_due_in = [discovery.next_due_in, wait].into_iter().flatten().min();
        } else if store.endpoints.is_unreadable(id, now) {
            // Nothing could be sent: it waits until its secret can be read, or until the next check.
        } else if discovery.due.len() == limit as usize {
            discovery.has_more = true;
        } else {
            let read = || {
                Ok::<_, StoreError>(DueWebhook {
                    id,
                    max_in_flight: max_in_flight(id, row.max_in_flight)?,
                    is_limited: row.is_limited,
                    timeout: row.timeout_ns.map(from_nanos),
                    last_failure: match row.last_failure_silent {
                        _ if row.abandoned => Some(LastFailure::Silent),
                        Some(true) => Some(LastFailure::Silent),
                        Some(false) => Some(LastFailure::Prompt),
                        None => None,
                    },
                    overdue: Duration::from_micros(
                        u64::try_from(row.overdue_us.unwrap_or_default()).unwrap_or(0),
                    ),
                })
            };
            discovery.due.extend(damage::leave_out(read()));
        }
    }
    // Whether this page covers the webhook, as above.
    let is_of_page = |webhook: &Uuid| {
        *webhook > after.as_uuid()
            && (!discovery.has_more || *webhook <= last)
            && !claimable.contains(webhook)
    };
    let waits = asleep.into_iter().filter(|(webhook, _)| is_of_page(webhook)).map(|(_, wait)| wait);
    discovery.next_due_in = waits.chain(discovery.next_due_in).min();
    if !disabled.is_empty() {
        asleep::hold(store, &disabled).await?;
    }
    discovery.due.sort_unstable_by_key(|due| due.id);
    Ok(discovery)
}
