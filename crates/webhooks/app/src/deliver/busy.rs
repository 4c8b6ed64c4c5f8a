//! The webhooks that are worth claiming from without asking first.

use std::time::Duration;

use rdev_webhooks_domain::DueWebhook;
use tokio::time::Instant;

/// Nothing that becomes due elsewhere waits for longer than this, because busy webhooks are claimed from.
const DISCOVER_EVERY: Duration = Duration::from_millis(20);
/// A webhook that has given nothing for so long is not busy.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Of more than this many, most have nothing at any moment, and a discovery costs less than to try them.
const MOST: usize = 64;

/// The webhooks that something was claimed from lately, as the last discovery described them. What is known
/// of them may have changed since; whether they are to get anything at all is for the claim to see.
#[derive(Debug, Default)]
pub(super) struct Busy {
    webhooks: Vec<(DueWebhook, Instant)>,
    discovered_at: Option<Instant>,
    /// When any of them gave something.
    gave_at: Option<Instant>,
}

impl Busy {
    /// Whom to claim from, and when to discover again; nobody if that is now.
    pub(super) fn known(&mut self, now: Instant) -> Option<(Vec<DueWebhook>, Instant)> {
        let discover_at = self.discovered_at? + DISCOVER_EVERY;
        self.webhooks.retain(|(_, gave_at)| now < *gave_at + QUIET_AFTER);
        if now >= discover_at || self.webhooks.is_empty() || self.webhooks.len() > MOST {
            return None;
        }
        Some((self.webhooks.iter().map(|(webhook, _)| *webhook).collect(), discover_at))
    }

    /// Whether any of them has given something since the last discovery, or just before.
    pub(super) fn is_at_it(&self, now: Instant) -> bool {
        self.gave_at.is_some_and(|gave_at| now < gave_at + DISCOVER_EVERY)
    }

    /// There was a discovery, which found these to have something.
    pub(super) fn discovered(&mut self, due: &[DueWebhook], now: Instant) {
        self.discovered_at = Some(now);
        for (known, _) in &mut self.webhooks {
            // Both are few: `known` is bounded, and a page is sorted.
            if let Ok(place) = due.binary_search_by_key(&known.id, |found| found.id) {
                *known = due[place];
            }
        }
    }

    /// This one gave something.
    pub(super) fn gave(&mut self, webhook: &DueWebhook, now: Instant) {
        self.gave_at = Some(now);
        match self.webhooks.iter().position(|(known, _)| known.id == webhook.id) {
            Some(place) => self.webhooks[place].1 = now,
            // One more than is used says as much as all.
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
    async fn a_discovery_is_never_long_ago() {
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
    async fn a_webhook_that_gives_nothing_is_soon_left_to_discovery() {
        let mut busy = Busy::default();
        busy.gave(&webhook(1), Instant::now());
        busy.gave(&webhook(2), Instant::now());
        tokio::time::advance(QUIET_AFTER / 2).await;
        busy.gave(&webhook(2), Instant::now());
        tokio::time::advance(QUIET_AFTER / 2).await;
        // That it has something says nothing: at its cap, it does not give it.
        busy.discovered(&[webhook(1), webhook(2)], Instant::now());
        assert_eq!(known(&mut busy), Some(vec![webhook(2)]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_about_a_webhook_is_known_from_the_next_discovery_on() {
        let mut busy = Busy::default();
        busy.gave(&webhook(1), Instant::now());
        let changed = DueWebhook { timeout: Some(Duration::from_secs(1)), ..webhook(1) };
        busy.discovered(&[changed, webhook(2)], Instant::now());
        assert_eq!(known(&mut busy), Some(vec![changed]));
    }

    #[tokio::test(start_paused = true)]
    async fn very_many_are_left_to_discovery() {
        let mut busy = Busy::default();
        busy.discovered(&[], Instant::now());
        for n in 0..200 {
            busy.gave(&webhook(n), Instant::now());
            assert_eq!(known(&mut busy).is_some(), usize::from(n) < MOST);
        }
    }
}
