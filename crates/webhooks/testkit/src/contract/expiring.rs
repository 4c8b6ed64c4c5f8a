//! Webhooks that expire.

use rdev_webhooks_domain::{Access, DisabledReason, Webhook, WebhookState};

use super::Harness;
use super::scene::{HOUR, Scene, assert_near};

/// Webhooks are disabled once they expire, the earliest first, with a new version, and get no more deliveries;
/// enabled again with a later end, they do.
pub async fn webhooks_that_expire_are_disabled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let now = scene.now().await;
    let ends = [Some(now + HOUR * 2), Some(now + HOUR), Some(now + HOUR), None];
    let mut webhooks = Vec::new();
    for end in ends {
        let webhook = scene.webhook().await;
        scene.change(webhook, |webhook| webhook.settings.expires_at = end).await;
        webhooks.push(webhook);
    }
    let [later, first, second, never] = webhooks[..] else { unreachable!() };
    let expire = async |limit| scene.webhooks.disable_expired(limit).await.unwrap();
    assert!(expire(10).await.is_empty());
    scene.advance(HOUR).await;
    let before = scene.webhooks.get(Access::everything(), first).await.unwrap().unwrap();
    assert_eq!(expire(1).await, [first.min(second)]);
    assert_eq!(expire(10).await, [first.max(second)]);
    assert!(expire(10).await.is_empty());
    let disabled = scene.webhooks.get(Access::everything(), first).await.unwrap().unwrap();
    assert_eq!((disabled.version, &disabled.settings), (before.version + 1, &before.settings));
    let WebhookState::Disabled { reason: DisabledReason::Expired, since } = disabled.state else {
        panic!("the webhook is not disabled as expired: {:?}", disabled.state);
    };
    assert_near(since, scene.now().await);
    let mut receivers = scene.receivers(scene.publish().await).await;
    receivers.sort_unstable();
    let mut expected = [later, never];
    expected.sort_unstable();
    assert_eq!(receivers, expected);

    let enable = |webhook: &mut Webhook| {
        webhook.state = WebhookState::Enabled;
        webhook.settings.expires_at = Some(now + HOUR * 3);
    };
    scene.change(first, enable).await;
    assert!(scene.receivers(scene.publish().await).await.contains(&first));
    scene.delete(later).await;
    scene.advance(HOUR).await;
    assert!(expire(10).await.is_empty(), "a deleted webhook does not expire");
    scene.advance(HOUR).await;
    assert_eq!(expire(10).await, [first]);
}
