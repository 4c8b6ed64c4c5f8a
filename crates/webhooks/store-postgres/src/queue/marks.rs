//! Where in each webhook's queue the oldest delivery stands.
//!
//! A finished delivery leaves an index entry behind until it is vacuumed, which an old snapshot anywhere
//! in the database can put off for long. A scan from the beginning would walk over all of them each time.
//! So the store remembers a low-water mark for each webhook: a due time under which it has nothing. What
//! is in the queue keeps its due time or gets a later one, and what is added is due when it is added; so
//! a mark stays true, save for a transaction that takes long to commit what it added. For those, and for
//! a clock that was set back, a mark is never more than a little under the present, and the whole is
//! looked at again every few seconds, sooner where a claim found less than it wanted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

/// A mark is at least so much in the past: longer than publishing takes to commit, as a rule.
pub(crate) const MARGIN_MICROS: i64 = 2_000_000;

/// The longest that a delivery can be hidden behind a mark.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The same where a claim found less than it wanted.
const LOOK_AGAIN_AFTER_SHORT: Duration = Duration::from_secs(1);

/// A webhook that has had nothing for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(10 * 60);

/// More webhooks than this are not remembered.
const MOST: usize = 20_000;

/// The marks of the webhooks that have, or lately had, something in the queue.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    known: Mutex<BTreeMap<WebhookId, Mark>>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    since: DateTime<Utc>,
    /// When the webhook's queue was last looked at from its beginning.
    looked_at: Instant,
    /// When there was last something in it.
    busy_at: Instant,
    short: bool,
}

impl Mark {
    /// From where to look; none for the beginning.
    fn usable(&self, now: Instant) -> Option<DateTime<Utc>> {
        let after = match self.short {
            true => LOOK_AGAIN_AFTER_SHORT,
            false => LOOK_AGAIN_AFTER,
        };
        (now.duration_since(self.looked_at) < after).then_some(self.since)
    }
}

impl Marks {
    /// The first `most` known webhooks after one, in order, and from where to look at each.
    pub(crate) fn after(&self, after: WebhookId, most: usize) -> Vec<(WebhookId, Option<DateTime<Utc>>)> {
        let now = Instant::now();
        self.lock()
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(most)
            .map(|(id, mark)| (*id, mark.usable(now)))
            .collect()
    }

    /// From where to claim.
    pub(crate) fn get(&self, id: WebhookId) -> Option<DateTime<Utc>> {
        self.lock().get(&id)?.usable(Instant::now())
    }

    /// Remembers what a discovery found: a mark, whether it had looked from the beginning, and whether
    /// there was anything.
    pub(crate) fn put(&self, id: WebhookId, since: DateTime<Utc>, from_beginning: bool, busy: bool) {
        let now = Instant::now();
        let mut known = self.lock();
        let has_room = known.len() < MOST;
        let Some(mark) = known.get_mut(&id) else {
            // A mark that was forgotten meanwhile is of use only if it holds for the whole.
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

    /// Remembers that a claim found less than it wanted.
    pub(crate) fn found_short(&self, id: WebhookId) {
        if let Some(mark) = self.lock().get_mut(&id) {
            mark.short = true;
        }
    }

    /// Forgets a webhook that has nothing claimable for other reasons than time.
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
        let marks = Marks::default();
        marks.put(id(1), MARK, true, true);
        tokio::time::advance(Duration::from_millis(4_900)).await;
        assert_eq!(marks.get(id(1)), Some(MARK));
        // What was found from a mark on says nothing of what is before it.
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
    async fn a_webhook_that_has_nothing_for_long_is_forgotten() {
        let marks = Marks::default();
        marks.put(id(1), MARK, true, true);
        marks.put(id(2), MARK, true, false);
        assert_eq!(marks.after(id(0), 10).len(), 1);
        tokio::time::advance(FORGET_AFTER + Duration::from_secs(1)).await;
        marks.put(id(1), MARK, true, false);
        assert!(marks.after(id(0), 10).is_empty());
    }
}
