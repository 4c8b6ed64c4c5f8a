//! Tests of the limits of a webhook that all claimants keep together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::{
    Claim, ClaimShare, DueWebhook, HealthEffect, LeasedDelivery, RateLimit, Settled, Settlement, WebhookId,
    WebhookSettings,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{HOUR, LEASE, Scene, assert_about};
use crate::{SeededEntropy, samples};

/// The time between two deliveries of the limited webhook: longer than any test takes.
const INTERVAL: Duration = Duration::from_secs(1_000);

impl Scene<'_> {
    /// Creates a webhook with settings and `count` deliveries.
    async fn limited_webhook(
        &self,
        count: u32,
        limit: impl FnOnce(&mut WebhookSettings) + Send,
    ) -> WebhookId {
        let webhook = samples::with_settings(self.new_webhook().await, limit);
        self.create(&webhook).await;
        for _ in 0..count {
            self.publish_to(webhook.id).await;
        }
        webhook.id
    }

    async fn discovered(&self) -> (Vec<DueWebhook>, Option<Duration>) {
        let discovery = self.queue.discover(None, 10).await.unwrap();
        (discovery.due, discovery.next_due_in)
    }

    async fn succeed(&self, leased: &[LeasedDelivery]) {
        for one in leased {
            let settlement = self.settlement(one, Settled::Succeeded).await;
            let settlement = Settlement { health: HealthEffect::Succeeded, ..settlement };
            assert_eq!(self.queue.settle(&[settlement]).await.unwrap(), [true]);
        }
    }
}

/// Eight claimants try to take seven deliveries at the same time.
async fn claim_at_once(harness: &dyn Harness, webhook: WebhookId) -> Vec<LeasedDelivery> {
    let start = Arc::new(Barrier::new(8));
    let mut claimants = JoinSet::new();
    for n in 0..8 {
        let (queue, start) = (harness.queue(), Arc::clone(&start));
        claimants.spawn(async move {
            let token = samples::token(&SeededEntropy::new(1_000 + n));
            let shares = vec![ClaimShare { webhook, take: 7, lease_for: LEASE, is_limited: true }];
            start.wait().await;
            queue.claim(&Claim { token, shares }).await.unwrap()
        });
    }
    claimants.join_all().await.into_iter().flatten().collect()
}

/// Of several claimants of a webhook whose rate allows one delivery, one gets it. Until the next one is allowed,
/// the webhook is not due. After a quiet time its rate allows no more than a burst. A limit that is removed is
/// not kept.
pub async fn all_claimants_together_keep_a_rate_limit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook =
        scene.limited_webhook(6, |settings| settings.rate_limit = RateLimit::per_second(0.001)).await;
    let (due, _) = scene.discovered().await;
    assert_eq!(due.iter().map(|due| (due.id, due.is_limited)).collect::<Vec<_>>(), [(webhook, true)]);
    let leased = claim_at_once(harness, webhook).await;
    assert_eq!(leased.len(), 1, "the rate allows one");
    scene.succeed(&leased).await;

    let (due, next_due_in) = scene.discovered().await;
    assert_eq!(due, []);
    assert_about(next_due_in, INTERVAL);
    assert_eq!(scene.claim(webhook, 7).await.len(), 0, "the rate is spent");
    scene.advance(INTERVAL / 2).await;
    assert_eq!(claim_at_once(harness, webhook).await.len(), 0, "the rate is still spent");

    scene.advance(INTERVAL / 2).await;
    assert_eq!(scene.discovered().await.0.len(), 1);
    scene.succeed(&claim_at_once(harness, webhook).await).await;
    scene.advance(INTERVAL * 10).await;
    let leased = scene.claim(webhook, 7).await;
    assert_eq!(leased.len(), 1, "a quiet time allows no more than a burst");
    scene.succeed(&leased).await;

    scene.change(webhook, |webhook| webhook.settings.rate_limit = None).await;
    assert_eq!(scene.discovered().await.0.len(), 1, "without a limit it is due at once");
    assert_eq!(scene.claim(webhook, 7).await.len(), 3);
}

/// A limit that was set after the webhook was discovered is kept at once. Retries count for it.
pub async fn a_new_rate_limit_is_kept_at_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.limited_webhook(3, |_| {}).await;
    assert!(!scene.discovered().await.0[0].is_limited);
    scene.change(webhook, |webhook| webhook.settings.rate_limit = RateLimit::per_second(0.001)).await;
    let token = samples::token(&scene.entropy);
    let shares = vec![ClaimShare { webhook, take: 3, lease_for: LEASE, is_limited: false }];
    let early = scene.queue.claim(&Claim { token, shares }).await.unwrap();
    let leased = scene.claim(webhook, 3).await;
    assert_eq!(early.len() + leased.len(), 1, "the rate allows one");
    for one in early.iter().chain(&leased) {
        assert!(scene.settle(one, Settled::RetryAfter(Duration::ZERO)).await);
    }
    assert_eq!(scene.claim(webhook, 3).await.len(), 0, "the retry must wait");
    scene.advance(INTERVAL).await;
    assert_eq!(scene.claim(webhook, 3).await.len(), 1);
}

/// The moment up to which a rate is spent says when its next delivery is due; of a webhook whose rate was never spent
/// there is none.
pub async fn the_next_delivery_that_a_rate_allows_is_known(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let limit = RateLimit::per_second(0.001);
    let limited = scene.limited_webhook(2, |settings| settings.rate_limit = limit).await;
    let idle = scene.limited_webhook(0, |settings| settings.rate_limit = limit).await;
    let unlimited = scene.limited_webhook(1, |_| {}).await;
    scene.claim(unlimited, 1).await;
    let ids = [idle, limited, unlimited];
    assert_eq!(scene.webhooks.spent_rates(&ids).await.unwrap(), [None; 3]);
    assert_eq!(scene.webhooks.spent_rates(&[]).await.unwrap(), []);

    assert_eq!(scene.claim(limited, 2).await.len(), 1);
    let [None, spent_until, None] = scene.webhooks.spent_rates(&ids).await.unwrap()[..] else {
        panic!("one rate is spent");
    };
    let now = scene.now().await;
    let next_at = limit.unwrap().next_at(spent_until, now).expect("the rate is spent");
    assert_about(Some(next_at.since(now)), INTERVAL);
}

/// Several claimants together lease no more deliveries of a webhook than its cap. A delivery that has ended and
/// one whose lease has expired make room.
pub async fn all_claimants_together_keep_a_cap(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.limited_webhook(9, |settings| settings.max_in_flight = NonZeroU32::new(3)).await;
    let leased = claim_at_once(harness, webhook).await;
    assert_eq!(leased.len(), 3, "three may be in flight");
    assert_eq!(scene.claim(webhook, 7).await.len(), 0, "three are in flight");
    scene.succeed(&leased[..2]).await;
    assert_eq!(claim_at_once(harness, webhook).await.len(), 2, "two have ended");
    scene.advance(LEASE + HOUR).await;
    assert_eq!(scene.claim(webhook, 7).await.len(), 3, "three leases have expired");
}
