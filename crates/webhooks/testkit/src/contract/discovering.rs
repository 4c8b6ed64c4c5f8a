//! Tests of what a worker learns of the queue before it claims.

use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_domain::{
    DeliveryStatus, DisabledReason, DueWebhook, LastFailure, RateLimit, Settled, WebhookState,
};

use super::Harness;
use super::scene::{DAY, HOUR, LEASE, MINUTE, Scene, assert_about};
use crate::samples;

/// A webhook is due if one of its deliveries can be claimed now: a new one, or one of a dead worker. It is
/// not due if all its deliveries are leased, waiting or finished, nor while it is disabled, nor after it is
/// deleted.
pub async fn discovery_lists_just_what_can_be_claimed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let expired = scene.webhook().await;
    scene.publish_to(expired).await;
    assert_eq!(scene.claim(expired, 1).await.len(), 1);
    scene.advance(LEASE).await;

    let limited = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.timeout = Some(Duration::from_millis(1_500));
        settings.rate_limit = RateLimit::per_second(2.5);
        settings.max_in_flight = NonZeroU32::new(4);
    });
    scene.create(&limited).await;
    scene.publish_to(limited.id).await;
    scene.delivery_in(DeliveryStatus::Pending, limited.id).await;

    let _idle = scene.webhook().await;
    for status in [
        DeliveryStatus::InFlight,
        DeliveryStatus::Retrying,
        DeliveryStatus::Succeeded,
        DeliveryStatus::Failed,
        DeliveryStatus::Cancelled,
    ] {
        let webhook = scene.webhook().await;
        scene.delivery_in(status, webhook).await;
    }
    let disabled = scene.webhook().await;
    scene.publish_to(disabled).await;
    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let state = WebhookState::Disabled { reason, since };
    scene.change(disabled, |webhook| webhook.state = state).await;

    let mut discovery = scene.queue.discover(None, 100).await.unwrap();
    for due in &mut discovery.due {
        due.overdue = Duration::ZERO;
    }
    let plain = DueWebhook {
        id: expired,
        max_in_flight: None,
        is_limited: false,
        timeout: None,
        last_failure: Some(LastFailure::Silent),
        overdue: Duration::ZERO,
    };
    let with_limits = DueWebhook {
        id: limited.id,
        max_in_flight: limited.settings.max_in_flight,
        is_limited: true,
        timeout: limited.settings.timeout,
        last_failure: None,
        overdue: Duration::ZERO,
    };
    assert_eq!(discovery.due, [plain, with_limits]);
    assert!(!discovery.has_more);
}

/// The next time is the earliest retry or end of a lease of an enabled webhook that is not due now, and
/// `None` if nothing is to be awaited.
pub async fn discovery_tells_when_the_next_is_due(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let next = async || scene.queue.discover(None, 100).await.unwrap().next_due_in;
    assert_eq!(next().await, None);

    let retries = scene.webhook().await;
    scene.publish_to(retries).await;
    let leased = scene.claim_one(retries).await;
    assert_about(next().await, LEASE);
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;
    assert_about(next().await, HOUR);

    // An earlier time of the same webhook, then of another webhook that follows a due one.
    scene.publish_to(retries).await;
    let leased = scene.claim_one(retries).await;
    scene.settle_held(&leased, Settled::RetryAfter(10 * MINUTE)).await;
    assert_about(next().await, 10 * MINUTE);
    let due = scene.webhook().await;
    scene.publish_to(due).await;
    assert_about(next().await, 10 * MINUTE);
    let sooner = scene.webhook().await;
    scene.publish_to(sooner).await;
    assert_eq!(scene.claim_for(sooner, 1, 4 * MINUTE).await.len(), 1);
    assert_about(next().await, 4 * MINUTE);

    // Time brings it nearer, and a disabled webhook is not awaited.
    scene.advance(2 * MINUTE).await;
    assert_about(next().await, 2 * MINUTE);
    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let state = WebhookState::Disabled { reason, since };
    scene.change(sooner, |webhook| webhook.state = state).await;
    assert_about(next().await, 8 * MINUTE);
    scene.delete(retries).await;
    assert_eq!(next().await, None);
}

/// Every unfinished delivery counts, but a due time is reported only while the delivery can be claimed.
pub async fn a_survey_tells_what_waits(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let survey = async || scene.queue.survey().await.unwrap();
    assert_eq!(survey().await, rdev_webhooks_domain::QueueStats::default());

    let webhook = scene.webhook().await;
    let statuses = [DeliveryStatus::Succeeded, DeliveryStatus::InFlight, DeliveryStatus::Retrying];
    for status in statuses {
        scene.delivery_in(status, webhook).await;
    }
    let busy = survey().await;
    assert_eq!((busy.unfinished, busy.oldest_due), (2, None), "nothing can be claimed");

    scene.publish_to(webhook).await;
    scene.advance(HOUR).await;
    scene.publish_to(webhook).await;
    let late = survey().await;
    assert_eq!(late.unfinished, 4);
    assert_about(late.oldest_due, HOUR);

    let claimed = scene.claim_for(webhook, 2, DAY).await;
    assert_about(Some(claimed[0].overdue), HOUR);
    assert_about(Some(claimed[1].overdue), Duration::ZERO);
    assert_about(Some(scene.now().await.since(claimed[0].claimed_at)), Duration::ZERO);
    assert_about(Some(claimed[0].claimed_at.since(scene.now().await)), Duration::ZERO);
    scene.publish_to(webhook).await;
    scene.advance(MINUTE).await;
    assert_about(survey().await.oldest_due, MINUTE);
    let since = scene.now().await;
    let state = WebhookState::Disabled { reason: DisabledReason::Manual, since };
    scene.change(webhook, |webhook| webhook.state = state).await;
    let held = survey().await;
    assert_eq!((held.unfinished, held.oldest_due), (5, None), "a disabled webhook holds its deliveries");
}

/// Discovery lists the webhooks in the order of their ids, after any given one.
pub async fn discovery_goes_through_the_webhooks_in_pages(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut webhooks = Vec::new();
    for n in 0..7 {
        let webhook = scene.webhook().await;
        if n % 3 != 1 {
            scene.publish_to(webhook).await;
            scene.publish_to(webhook).await;
            webhooks.push(webhook);
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = scene.queue.discover(after, 2).await.unwrap();
        assert!(page.due.len() <= 2);
        found.extend(page.due.iter().map(|due| due.id));
        after = found.last().copied();
        if !page.has_more {
            break;
        }
        assert_eq!(page.due.len(), 2, "a page that is not the last is full");
    }
    assert_eq!(found, webhooks);
    let rest = scene.queue.discover(Some(webhooks[1]), 100).await.unwrap();
    assert_eq!(rest.due.len(), webhooks.len() - 2);
    assert!(!rest.has_more);
    let end = scene.queue.discover(webhooks.last().copied(), 1).await.unwrap();
    assert!(end.due.is_empty() && !end.has_more);
}
