//! Low-water marks: the position of the oldest delivery in each webhook's queue.
//!
//! A finished delivery leaves an index entry behind until it is vacuumed, which an old snapshot anywhere in
//! the database can delay for long. A scan from the beginning would walk over all such entries each time.
//! Therefore the store keeps a low-water mark for each webhook: a due time before which its queue is empty. A
//! queued delivery keeps its due time or gets a later one, and an added one is due when it is added; so a
//! mark stays true, except when a transaction takes long to commit its additions. Because of such
//! transactions, and of clocks that are set back, a mark is always a little before the present, and the whole
//! queue is scanned every few seconds, sooner where a claim found less than it wanted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

/// The minimum age of a mark, in microseconds: usually longer than the commit of a publication takes.
pub(crate) const MARGIN_MICROS: i64 = 2_000_000;

/// The longest time for which a mark can hide a delivery.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The longest time after a claim that found less than it wanted.
const LOOK_AGAIN_AFTER_SHORT: Duration = Duration::from_secs(1);

/// The time after which a webhook with an empty queue is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);

/// Maximum number of webhooks remembered.
const MAX_WEBHOOKS: usize = 20_000;

/// The marks of the webhooks that have, or recently had, deliveries in the queue.
#[derive(Debug, Default)]
pub(crate) struct LowWaterMarks {
    known: Mutex<BTreeMap<WebhookId, Mark>>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    since: DateTime<Utc>,
    /// When the webhook's queue was last scanned from its beginning.
    looked_at: Instant,
    /// When the queue last had a delivery.
    busy_at: Instant,
    short: bool,
}

impl Mark {
    /// Returns the start of a scan; `None` means the beginning.
    fn usable(&self, now: Instant) -> Option<DateTime<Utc>> {
        let after = match self.short {
            true => LOOK_AGAIN_AFTER_SHORT,
            false => LOOK_AGAIN_AFTER,
        };
        (now.duration_since(self.looked_at) < after).then_some(self.since)
    }
}

impl LowWaterMarks {
    /// Returns the first `most` known webhooks after one, in order, each with the start of its scan.
    pub(crate) fn after(&self, after: WebhookId, most: usize) -> Vec<(WebhookId, Option<DateTime<Utc>>)> {
        let now = Instant::now();
        self.lock()
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(most)
            .map(|(id, mark)| (*id, mark.usable(now)))
            .collect()
    }

    /// Returns the start of a claim's scan.
    pub(crate) fn get(&self, id: WebhookId) -> Option<DateTime<Utc>> {
        self.lock().get(&id)?.usable(Instant::now())
    }

    /// Records the result of a discovery: a mark, whether the scan began at the beginning, and whether the
    /// queue had deliveries.
    pub(crate) fn put(&self, id: WebhookId, since: DateTime<Utc>, from_beginning: bool, busy: bool) {
        let now = Instant::now();
        let mut known = self.lock();
        let has_room = known.len() < MAX_WEBHOOKS;
        let Some(mark) = known.get_mut(&id) else {
            // If the mark was forgotten meanwhile, a new one is valid only if it covers the whole queue.
            if from_beginning && busy && has_room {
                let mark = Mark { since, looked_at: now, busy_at: now, short: false };
                known.insert(id, mark);
            }
            return;
        };
        mark.since = since;
        if from_beginning {
            mark.looked_at = now;
            mark.short = false;
        }
        if busy {
            mark.busy_at = now;
        } else if now.duration_since(mark.busy_at) > FORGET_AFTER {
            known.remove(&id);
        }
    }

    /// Records that a claim found less than it wanted.
    pub(crate) fn found_short(&self, id: WebhookId) {
        if let Some(mark) = self.lock().get_mut(&id) {
            mark.short = true;
        }
    }

    /// Forgets a webhook that has nothing claimable for reasons other than time.
    pub(crate) fn forget(&self, id: WebhookId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WebhookId, Mark>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::Timestamp;

    use super::*;

    const MARK: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn id(n: u8) -> WebhookId {
        WebhookId::from_parts(Timestamp::from_millis(1), [n; 10])
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_is_used_for_five_seconds_and_for_one_after_a_short_claim() {
        let marks = LowWaterMarks::default();
        marks.put(id(1), MARK, true, true);
        tokio::time::advance(Duration::from_millis(4_900)).await;
        assert_eq!(marks.get(id(1)), Some(MARK));
        // A scan from a mark on reveals nothing about deliveries before the mark.
        marks.put(id(1), MARK, false, true);
        tokio::time::advance(Duration::from_millis(200)).await;
        assert_eq!(marks.get(id(1)), None);
        marks.put(id(1), MARK, true, true);
        marks.found_short(id(1));
        tokio::time::advance(Duration::from_millis(1_100)).await;
        assert_eq!(marks.get(id(1)), None);
        assert_eq!(marks.after(id(0), 10), [(id(1), None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_with_a_long_empty_queue_is_forgotten() {
        let marks = LowWaterMarks::default();
        marks.put(id(1), MARK, true, true);
        marks.put(id(2), MARK, true, false);
        assert_eq!(marks.after(id(0), 10).len(), 1);
        tokio::time::advance(FORGET_AFTER + Duration::from_secs(1)).await;
        marks.put(id(1), MARK, true, false);
        assert!(marks.after(id(0), 10).is_empty());
    }
}
