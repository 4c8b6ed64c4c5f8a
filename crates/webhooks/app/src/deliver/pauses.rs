//! Pauses of webhooks whose attempts this host could not make.

use std::collections::HashMap;
use std::time::Duration;

use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

/// First pause, and longest pause after repeated faults.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Maximum number of remembered webhooks. With more, the whole pool pauses.
const MAX_PAUSED: usize = 65_536;

/// The paused webhooks, whose deliveries are not claimed for a while. A released delivery is claimable at
/// once, so without a pause it would be claimed and released in a loop.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    webhooks: HashMap<WebhookId, Pause>,
    pool_until: Option<Instant>,
}

#[derive(Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Pauses {
    /// Pauses a webhook after a local fault, twice as long as the last time.
    pub(super) fn pause(&mut self, webhook: WebhookId, now: Instant) {
        if let Some(pause) = self.webhooks.get_mut(&webhook) {
            // Concurrent attempts count once.
            if pause.until <= now {
                pause.length = (pause.length * 2).min(MAX_PAUSE);
                pause.until = now + pause.length;
            }
            return;
        }
        if self.webhooks.len() >= MAX_PAUSED {
            self.webhooks.retain(|_, pause| now < pause.until);
        }
        if self.webhooks.len() < MAX_PAUSED {
            self.webhooks.insert(webhook, Pause { until: now + FIRST_PAUSE, length: FIRST_PAUSE });
        } else {
            self.pool_until = Some(now + FIRST_PAUSE);
        }
    }

    /// Ends a webhook's pause after an attempt that was made.
    pub(super) fn end(&mut self, webhook: WebhookId) {
        if !self.webhooks.is_empty() {
            self.webhooks.remove(&webhook);
        }
    }

    /// Returns how long a webhook is still paused.
    pub(super) fn remaining(&self, webhook: WebhookId, now: Instant) -> Option<Duration> {
        let own = self.webhooks.get(&webhook).map(|pause| pause.until);
        let until = own.max(self.pool_until)?;
        (now < until).then(|| until - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(n: u128) -> WebhookId {
        WebhookId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_pause_doubles_with_each_fault_up_to_its_bound() {
        let (mut pauses, mut now) = (Pauses::default(), Instant::now());
        for seconds in [1, 2, 4, 8, 10, 10] {
            pauses.pause(webhook(1), now);
            pauses.pause(webhook(1), now);
            let length = Duration::from_secs(seconds);
            assert_eq!(pauses.remaining(webhook(1), now), Some(length));
            assert_eq!(pauses.remaining(webhook(2), now), None);
            now += length;
            assert_eq!(pauses.remaining(webhook(1), now), None);
        }
        pauses.end(webhook(1));
        pauses.pause(webhook(1), now);
        assert_eq!(pauses.remaining(webhook(1), now), Some(FIRST_PAUSE));
    }

    #[test]
    fn the_whole_pool_pauses_when_too_many_webhooks_are_paused() {
        let (mut pauses, now) = (Pauses::default(), Instant::now());
        for n in 0..=MAX_PAUSED as u128 {
            pauses.pause(webhook(n), now);
        }
        assert_eq!(pauses.webhooks.len(), MAX_PAUSED);
        assert_eq!(pauses.remaining(webhook(u128::MAX), now), Some(FIRST_PAUSE));
        let later = now + FIRST_PAUSE;
        pauses.pause(webhook(u128::MAX), later);
        assert_eq!(pauses.webhooks.len(), 1);
        assert_eq!(pauses.remaining(webhook(1), later), None);
    }
}
