//! The webhooks that the scheduler claims from without a discovery.

use std::time::Duration;

use rdev_webhooks_domain::DueWebhook;
use tokio::time::Instant;

/// Longest time between two discoveries while busy webhooks are served. A due delivery of another webhook
/// waits no longer than this.
const DISCOVER_EVERY: Duration = Duration::from_millis(20);
/// Time without a yielded delivery after which a webhook is not busy.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Maximum number of busy webhooks. Of more, most have nothing due at any moment, and a discovery costs less
/// than to try each.
const MOST: usize = 64;

/// The webhooks that yielded deliveries recently, as the last discovery described them. They may have changed
/// since. The claim checks whether they may receive anything.
#[derive(Debug, Default)]
pub(super) struct Busy {
    webhooks: Vec<(DueWebhook, Instant)>,
    discovered_at: Option<Instant>,
    /// When any of them last yielded a delivery.
    gave_at: Option<Instant>,
}

impl Busy {
    /// Returns the webhooks to claim from and the time of the next discovery, or `None` if the next discovery
    /// is now.
    pub(super) fn known(&mut self, now: Instant) -> Option<(Vec<DueWebhook>, Instant)> {
        let discover_at = self.discovered_at? + DISCOVER_EVERY;
        self.webhooks.retain(|(_, gave_at)| now < *gave_at + QUIET_AFTER);
        if now >= discover_at || self.webhooks.is_empty() || self.webhooks.len() > MOST {
            return None;
        }
        Some((self.webhooks.iter().map(|(webhook, _)| *webhook).collect(), discover_at))
    }

    /// True if any webhook yielded a delivery since the last discovery or just before it.
    pub(super) fn is_at_it(&self, now: Instant) -> bool {
        self.gave_at.is_some_and(|gave_at| now < gave_at + DISCOVER_EVERY)
    }

    /// Records a discovery and the webhooks that it found.
    pub(super) fn discovered(&mut self, due: &[DueWebhook], now: Instant) {
        self.discovered_at = Some(now);
        for (known, _) in &mut self.webhooks {
            // The search is cheap: `webhooks` is bounded, and a page is sorted.
            if let Ok(place) = due.binary_search_by_key(&known.id, |found| found.id) {
                *known = due[place];
            }
        }
    }

    /// Records that this webhook yielded a delivery.
    pub(super) fn gave(&mut self, webhook: &DueWebhook, now: Instant) {
        self.gave_at = Some(now);
        match self.webhooks.iter().position(|(known, _)| known.id == webhook.id) {
            Some(place) => self.webhooks[place].1 = now,
            // One webhook above the maximum is enough to show that there are too many.
            None if self.webhooks.len() <= MOST => self.webhooks.push((*webhook, now)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rdev_webhooks_domain::{Timestamp, WebhookId};

    use super::*;

    fn webhook(n: u8) -> DueWebhook {
        let id = WebhookId::from_parts(Timestamp::from_millis(1), [n; 10]);
        DueWebhook {
            id,
            max_in_flight: None,
            rate_limit: None,
            timeout: None,
            last_failure: None,
            overdue: Duration::ZERO,
        }
    }

    fn known(busy: &mut Busy) -> Option<Vec<DueWebhook>> {
        busy.known(Instant::now()).map(|(webhooks, _)| webhooks)
    }

    #[tokio::test(start_paused = true)]
    async fn busy_webhooks_do_not_postpone_a_discovery() {
        let mut busy = Busy::default();
        assert_eq!(busy.known(Instant::now()), None);
        let discovered_at = Instant::now();
        busy.discovered(&[webhook(1)], discovered_at);
        assert_eq!(busy.known(Instant::now()), None);
        busy.gave(&webhook(1), Instant::now());
        tokio::time::advance(DISCOVER_EVERY / 2).await;
        busy.gave(&webhook(1), Instant::now());
        let known = busy.known(Instant::now());
        assert_eq!(known, Some((vec![webhook(1)], discovered_at + DISCOVER_EVERY)));
        tokio::time::advance(DISCOVER_EVERY / 2).await;
        assert_eq!(busy.known(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_yields_nothing_stops_being_busy() {
        let mut busy = Busy::default();
        busy.gave(&webhook(1), Instant::now());
        busy.gave(&webhook(2), Instant::now());
        tokio::time::advance(QUIET_AFTER / 2).await;
        busy.gave(&webhook(2), Instant::now());
        tokio::time::advance(QUIET_AFTER / 2).await;
        // A discovery alone does not make a webhook busy: a webhook at its cap yields nothing.
        busy.discovered(&[webhook(1), webhook(2)], Instant::now());
        assert_eq!(known(&mut busy), Some(vec![webhook(2)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_discovery_updates_the_busy_webhooks() {
        let mut busy = Busy::default();
        busy.gave(&webhook(1), Instant::now());
        let changed = DueWebhook { timeout: Some(Duration::from_secs(1)), ..webhook(1) };
        busy.discovered(&[changed, webhook(2)], Instant::now());
        assert_eq!(known(&mut busy), Some(vec![changed]));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_busy_webhooks_are_left_to_discovery() {
        let mut busy = Busy::default();
        busy.discovered(&[], Instant::now());
        for n in 0..200 {
            busy.gave(&webhook(n), Instant::now());
            assert_eq!(known(&mut busy).is_some(), usize::from(n) < MOST);
        }
    }
}
