//! Tests of webhooks that are disabled because their endpoints fail.

use rdev_webhooks_domain::{
    Access, DisabledReason, Event, EventFilter, EventType, FailureReason, HealthEffect, PageRequest, Settled,
    Settlement, Webhook, WebhookId, WebhookState,
};

use super::Harness;
use super::scene::{DAY, Scene, assert_near};
use crate::samples;

/// Webhooks that have failed long enough are disabled, the longest failing first, but no disabled or deleted
/// ones. This needs a second failure long after the first.
pub async fn webhooks_that_fail_are_disabled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut webhooks = Vec::new();
    for effect in [HealthEffect::Unavailable, HealthEffect::Rejected, HealthEffect::Silent] {
        let webhook = scene.webhook().await;
        let leased = scene.claim_new(webhook, 1).await;
        scene.settle_as(&leased, effect).await;
        webhooks.push(webhook);
        scene.advance(DAY).await;
    }
    let disable = async |days: u32, limit: u32| {
        let disabled = scene.webhooks.disable_failing(DAY * days, limit).await.unwrap();
        for (id, since) in &disabled {
            assert_eq!(scene.health(*id).await.failing_since, Some(*since));
        }
        disabled.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert!(disable(1, 10).await.is_empty(), "each webhook failed only once");
    let fail = async |webhook| {
        let leased = scene.claim(webhook, 1).await;
        scene.settle_as(&leased, HealthEffect::Rejected).await;
    };
    for webhook in &webhooks {
        fail(*webhook).await;
    }
    assert!(disable(4, 10).await.is_empty());
    let before = scene.webhooks.get(Access::everything(), webhooks[0]).await.unwrap().unwrap();
    assert_eq!(disable(2, 1).await, webhooks[..1]);
    let disabled = scene.webhooks.get(Access::everything(), webhooks[0]).await.unwrap().unwrap();
    assert_eq!(disabled.version, before.version + 1);
    let WebhookState::Disabled { reason: DisabledReason::Failing, since } = disabled.state else {
        panic!("the webhook is not disabled as failing: {:?}", disabled.state);
    };
    assert_near(since, scene.now().await);
    assert!(scene.claim(webhooks[0], 1).await.is_empty());
    let event = scene.publish().await;
    let deliveries = scene
        .history
        .list(Access::everything(), &Default::default(), PageRequest { limit: 100, before: None })
        .await;
    let deliveries = deliveries.unwrap().items;
    let of_event: Vec<_> =
        deliveries.iter().filter(|one| one.event_id == event).map(|one| one.webhook_id).collect();
    assert!(!of_event.contains(&webhooks[0]) && of_event.contains(&webhooks[1]));

    scene.delete(webhooks[1]).await;
    assert!(disable(2, 10).await.is_empty());
    assert_eq!(disable(1, 10).await, webhooks[2..]);
    assert!(disable(1, 10).await.is_empty());
}

/// An attempt in flight has not failed, however long ago the previous attempt failed.
pub async fn an_attempt_in_flight_disables_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let leased = scene.claim_new(webhook, 1).await;
    scene.settle_as(&leased, HealthEffect::Unavailable).await;
    scene.advance(DAY * 6).await;
    let in_flight = scene.claim_new(webhook, 2).await;
    assert!(scene.webhooks.disable_failing(DAY * 5, 10).await.unwrap().is_empty());
    scene.settle_as(&in_flight[..1], HealthEffect::Unavailable).await;
    assert_eq!(scene.webhooks.disable_failing(DAY * 5, 10).await.unwrap().len(), 1);
}

/// A success cancels all earlier failures.
pub async fn a_webhook_that_recovered_is_not_disabled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let leased = scene.claim_new(webhook, 4).await;
    scene.settle_as(&leased[..1], HealthEffect::Unavailable).await;
    scene.advance(DAY * 6).await;
    scene.settle_as(&leased[1..2], HealthEffect::Unavailable).await;
    scene.settle_as(&leased[2..3], HealthEffect::Succeeded).await;
    assert!(scene.webhooks.disable_failing(DAY * 5, 10).await.unwrap().is_empty());
    scene.settle_as(&leased[3..], HealthEffect::Unavailable).await;
    assert!(scene.webhooks.disable_failing(DAY * 5, 10).await.unwrap().is_empty());
}

/// The event of a disabling is stored with it, once, for the enabled webhooks that subscribe to it: not for the
/// disabled one. A disabling by the owner has no event.
pub async fn a_disabled_webhook_is_published_with_its_disabling(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let observer = scene.webhook().await;
    scene.change(observer, |webhook| webhook.settings.events = samples::patterns(["webhook.disabled"])).await;
    let published = async || {
        let filter =
            EventFilter { event_type: Some(EventType::webhook_disabled()), ..EventFilter::default() };
        let events = scene
            .events
            .list(Access::everything(), &filter, PageRequest { limit: 10, before: None })
            .await
            .unwrap();
        events.items.into_iter().map(|record| record.event).collect::<Vec<_>>()
    };
    let broken = async || {
        let id = scene.webhook().await;
        let change = |webhook: &mut Webhook| {
            webhook.settings.events = samples::patterns(["*", "webhook.*"]);
            webhook.settings.projects = samples::projects(["a"]);
        };
        scene.change(id, change).await;
        let leased = scene.claim_new(id, 3).await;
        scene.settle_as(&leased[..1], HealthEffect::Rejected).await;
        (id, leased)
    };
    let check = async |webhook: WebhookId, reason: &str, event: &Event| {
        let stored = scene.webhooks.get(Access::everything(), webhook).await.unwrap().unwrap();
        let WebhookState::Disabled { since, .. } = stored.state else {
            panic!("the webhook is enabled");
        };
        let failing_since = scene.health(webhook).await.failing_since.expect("its last attempt failed");
        let expected = format!(
            r#"{{"event":"webhook.disabled","timestamp":"{since}","data":{{"webhook_id":"{webhook}","reason":"{reason}","disabled_at":"{since}","failing_since":"{failing_since}"}}}}"#
        );
        assert_eq!(String::from_utf8_lossy(&event.body), expected);
        assert_near(event.id.time(), since);
        assert_eq!((event.timestamp, event.project.as_ref()), (since, samples::projects(["a"]).first()));
        assert_eq!(scene.receivers(event.id).await, [observer]);
    };

    let (gone, leased) = broken().await;
    scene.quieten().await;
    for (one, events) in [(&leased[1], 1), (&leased[2], 1)] {
        let settlement = scene.settlement(one, Settled::Failed(FailureReason::Gone)).await;
        let settlement = Settlement { gone: Some(one.target.version), ..settlement };
        assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
        assert_eq!(published().await.len(), events, "the webhook is disabled once");
    }
    scene.wakes().await;
    check(gone, "gone", &published().await[0]).await;
    let leased = scene.claim_one(observer).await;
    assert_eq!(leased.body, published().await[0].body);

    let failing = [broken().await, broken().await];
    scene.advance(DAY).await;
    for (_, leased) in &failing {
        scene.settle_as(&leased[1..2], HealthEffect::Rejected).await;
    }
    scene.quieten().await;
    assert_eq!(scene.webhooks.disable_failing(DAY, 10).await.unwrap().len(), 2);
    scene.wakes().await;
    assert!(scene.webhooks.disable_failing(DAY, 10).await.unwrap().is_empty());
    let (expired, leased) = broken().await;
    let end = scene.now().await;
    scene.change(expired, |webhook| webhook.settings.expires_at = Some(end)).await;
    scene.settle_as(&leased[1..2], HealthEffect::Rejected).await;
    scene.quieten().await;
    assert_eq!(scene.webhooks.disable_expired(10).await.unwrap(), [expired]);
    scene.wakes().await;
    check(expired, "expired", &published().await[0]).await;
    let events = published().await;
    assert_eq!(events.len(), 4);
    for (webhook, _) in &failing {
        let id = webhook.to_string();
        let about = |event: &&Event| String::from_utf8_lossy(&event.body).contains(&id);
        check(*webhook, "failing", events.iter().find(about).unwrap()).await;
    }

    let since = scene.now().await;
    for state in [WebhookState::Enabled, WebhookState::Disabled { reason: DisabledReason::Manual, since }] {
        scene.change(gone, |webhook| webhook.state = state).await;
    }
    assert_eq!(published().await.len(), 4);
}
