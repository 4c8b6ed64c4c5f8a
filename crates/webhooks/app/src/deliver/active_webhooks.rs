//! The webhooks that the scheduler claims from without a discovery.

use std::collections::HashMap;
use std::time::Duration;

use rdev_webhooks_domain::{DueWebhook, WakeUp, WebhookId};
use tokio::time::Instant;

/// Longest time between two discoveries while active webhooks are served. A due delivery of another webhook
/// waits no longer than this.
const DISCOVERY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a webhook is active after it yielded a delivery.
const ACTIVE_FOR: Duration = Duration::from_secs(1);
/// Maximum number of active webhooks. Of more, most have nothing due at any moment, and a discovery costs less
/// than to try each.
const MAX_ACTIVE: usize = 64;
/// How long the description of a webhook by a discovery is used for announced deliveries.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// Maximum number of known webhooks. Above it, all are forgotten, and discovered again when they have work.
const MAX_KNOWN: usize = 4_096;

/// Maximum number of webhooks whose next deliveries are claimed in advance.
const MAX_EXPECTED: usize = 32;

/// The webhooks that yielded deliveries recently, as the last discovery described them. They may have changed
/// since. The claim checks whether they may receive anything.
#[derive(Debug, Default)]
pub(super) struct ActiveWebhooks {
    webhooks: Vec<(DueWebhook, Instant)>,
    discovered_at: Option<Instant>,
    /// When any of them last yielded a delivery.
    yielded_at: Option<Instant>,
    known: HashMap<WebhookId, Known>,
    /// When the known webhooks that are no longer current were last removed.
    pruned_at: Option<Instant>,
    /// The time until which only announced deliveries can be claimable: the last discovery left none, and none becomes
    /// due.
    quiet_until: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    webhook: DueWebhook,
    described_at: Instant,
    yielded_at: Instant,
}

impl Known {
    fn is_current(&self, now: Instant) -> bool {
        now < self.described_at + KNOWN_FOR
    }
}

impl ActiveWebhooks {
    /// Returns the webhooks to claim from and the time of the next discovery, or `None` if the next discovery
    /// is now.
    pub(super) fn candidates(&mut self, now: Instant) -> Option<(Vec<DueWebhook>, Instant)> {
        let discover_at = self.discovered_at? + DISCOVERY_INTERVAL;
        self.webhooks.retain(|(_, yielded_at)| now < *yielded_at + ACTIVE_FOR);
        if now >= discover_at || self.webhooks.is_empty() || self.webhooks.len() > MAX_ACTIVE {
            return None;
        }
        Some((self.webhooks.iter().map(|(webhook, _)| *webhook).collect(), discover_at))
    }

    /// Returns the webhooks that a wake-up announces and the time of the next discovery, or `None` if there may be more
    /// to do than that.
    pub(super) fn announced(&self, wake_up: &WakeUp, now: Instant) -> Option<(Vec<DueWebhook>, Instant)> {
        let quiet_until = self.quiet_until.filter(|until| now < *until)?;
        let WakeUp::Webhooks(announced) = wake_up else { return None };
        let known = self.known(wake_up, now);
        (known.len() == announced.len()).then_some((known, quiet_until))
    }

    /// Returns the known webhooks that a wake-up names.
    pub(super) fn known(&self, wake_up: &WakeUp, now: Instant) -> Vec<DueWebhook> {
        let WakeUp::Webhooks(announced) = wake_up else { return Vec::new() };
        let known = announced.iter().filter_map(|webhook| self.known.get(webhook));
        known.filter(|known| known.is_current(now)).map(|known| known.webhook).collect()
    }

    /// Returns the known webhooks without limits while only new deliveries can be claimable, unless they are too many for
    /// each to expect some soon.
    pub(super) fn expected(&mut self, now: Instant) -> Vec<DueWebhook> {
        if self.quiet_until.is_none_or(|until| until <= now) {
            return Vec::new();
        }
        if self.known.len() > MAX_EXPECTED && self.pruned_at.is_none_or(|at| at + KNOWN_FOR <= now) {
            self.pruned_at = Some(now);
            self.known.retain(|_, known| known.is_current(now));
        }
        let expected = self.known.values().filter(|known| !known.webhook.is_limited && known.is_current(now));
        let mut expected: Vec<_> = expected.map(|known| known.webhook).take(MAX_EXPECTED + 1).collect();
        if expected.len() > MAX_EXPECTED {
            expected.clear();
        }
        expected
    }

    /// True if each of these webhooks yielded a delivery just now. One that did not may have changed.
    pub(super) fn have_all_yielded(&self, webhooks: &[DueWebhook], now: Instant) -> bool {
        webhooks.iter().all(|webhook| {
            self.known.get(&webhook.id).is_some_and(|known| now < known.yielded_at + DISCOVERY_INTERVAL)
        })
    }

    /// Records that only announced deliveries can be claimable until then.
    pub(super) fn begin_quiet(&mut self, until: Instant) {
        self.quiet_until = Some(until);
    }

    /// Records that a delivery may be claimable from then on.
    pub(super) fn end_quiet(&mut self, at: Instant) {
        self.quiet_until = self.quiet_until.map(|until| until.min(at));
    }

    /// True if any webhook yielded a delivery since the last discovery or just before it.
    pub(super) fn has_recent_yield(&self, now: Instant) -> bool {
        self.yielded_at.is_some_and(|yielded_at| now < yielded_at + DISCOVERY_INTERVAL)
    }

    /// Records a discovery and the webhooks that it found.
    pub(super) fn record_discovery(&mut self, due: &[DueWebhook], now: Instant) {
        self.discovered_at = Some(now);
        self.quiet_until = None;
        for (known, _) in &mut self.webhooks {
            // The search is cheap: `webhooks` is bounded, and a page is sorted.
            if let Ok(index) = due.binary_search_by_key(&known.id, |found| found.id) {
                *known = due[index];
            }
        }
        for found in due {
            if let Some(known) = self.known.get_mut(&found.id) {
                (known.webhook, known.described_at) = (*found, now);
            }
        }
    }

    /// Records that this webhook yielded a delivery.
    pub(super) fn record_yield(&mut self, webhook: &DueWebhook, now: Instant) {
        self.yielded_at = Some(now);
        match self.webhooks.iter().position(|(known, _)| known.id == webhook.id) {
            Some(index) => self.webhooks[index].1 = now,
            // One webhook above the maximum is enough to show that there are too many.
            None if self.webhooks.len() <= MAX_ACTIVE => self.webhooks.push((*webhook, now)),
            None => {}
        }
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&webhook.id) {
            self.known.clear();
        }
        let known = Known { webhook: *webhook, described_at: now, yielded_at: now };
        self.known.entry(webhook.id).or_insert(known).yielded_at = now;
    }

    /// Forgets the description of webhooks, so that the next discovery describes them.
    pub(super) fn forget(&mut self, webhooks: &[DueWebhook]) {
        for webhook in webhooks {
            self.known.remove(&webhook.id);
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
            is_limited: false,
            timeout: None,
            last_failure: None,
            overdue: Duration::ZERO,
        }
    }

    fn candidates(active: &mut ActiveWebhooks) -> Option<Vec<DueWebhook>> {
        active.candidates(Instant::now()).map(|(webhooks, _)| webhooks)
    }

    #[tokio::test(start_paused = true)]
    async fn active_webhooks_do_not_postpone_a_discovery() {
        let mut active = ActiveWebhooks::default();
        assert_eq!(active.candidates(Instant::now()), None);
        let discovered_at = Instant::now();
        active.record_discovery(&[webhook(1)], discovered_at);
        assert_eq!(active.candidates(Instant::now()), None);
        active.record_yield(&webhook(1), Instant::now());
        tokio::time::advance(DISCOVERY_INTERVAL / 2).await;
        active.record_yield(&webhook(1), Instant::now());
        let found = active.candidates(Instant::now());
        assert_eq!(found, Some((vec![webhook(1)], discovered_at + DISCOVERY_INTERVAL)));
        tokio::time::advance(DISCOVERY_INTERVAL / 2).await;
        assert_eq!(active.candidates(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_yields_nothing_stops_being_active() {
        let mut active = ActiveWebhooks::default();
        active.record_yield(&webhook(1), Instant::now());
        active.record_yield(&webhook(2), Instant::now());
        tokio::time::advance(ACTIVE_FOR / 2).await;
        active.record_yield(&webhook(2), Instant::now());
        tokio::time::advance(ACTIVE_FOR / 2).await;
        // A discovery alone does not make a webhook active: a webhook at its cap yields nothing.
        active.record_discovery(&[webhook(1), webhook(2)], Instant::now());
        assert_eq!(candidates(&mut active), Some(vec![webhook(2)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_discovery_updates_the_active_webhooks() {
        let mut active = ActiveWebhooks::default();
        active.record_yield(&webhook(1), Instant::now());
        let changed = DueWebhook { timeout: Some(Duration::from_secs(1)), ..webhook(1) };
        active.record_discovery(&[changed, webhook(2)], Instant::now());
        assert_eq!(candidates(&mut active), Some(vec![changed]));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_active_webhooks_are_left_to_discovery() {
        let mut active = ActiveWebhooks::default();
        active.record_discovery(&[], Instant::now());
        for n in 0..200 {
            active.record_yield(&webhook(n), Instant::now());
            assert_eq!(candidates(&mut active).is_some(), usize::from(n) < MAX_ACTIVE);
        }
    }
}
