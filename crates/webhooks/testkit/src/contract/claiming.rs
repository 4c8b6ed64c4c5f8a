//! Tests of `DeliveryQueue::discover` and `DeliveryQueue::claim`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{
    BodyFormat, Claim, ClaimShare, DeliveryId, DeliveryState, DeliveryStatus, FailureClass, LeasedDelivery,
    NewEvent, RetryPolicy, Settled, SigningSecrets, Target, Trigger, WebhookId,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, HOUR, LEASE, MINUTE, Scene, assert_near};
use crate::{SeededEntropy, samples};

/// A claim returns the event, the current webhook and its signing secrets, whatever they contain.
pub async fn a_claim_holds_all_that_is_needed_to_send(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut webhook = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.url = "https://example.com/a?b=c".parse().unwrap();
        settings.retry = RetryPolicy::schedule(vec![MINUTE, HOUR]).unwrap();
        settings.timeout = Some(Duration::from_secs(3));
        settings.format = BodyFormat::Slack;
        settings.signing = SigningScheme::Ed25519;
    });
    webhook.settings.headers.insert("x-token", "s3cret").unwrap();
    let old = samples::secret(&scene.entropy, SigningScheme::HmacSha256);
    let secrets = SigningSecrets {
        current: samples::secret(&scene.entropy, SigningScheme::Ed25519),
        previous: Some((old, scene.now().await + DAY)),
    };
    scene.webhooks.create(&webhook, &secrets).await.unwrap();
    let event = NewEvent {
        event_type: "command.failed".parse().unwrap(),
        project: Some("my-project".parse().unwrap()),
        body: "exactly {this é}\n".into(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        ..scene.new_event().await
    };
    scene.publish_one(&event).await;

    let claim = Claim {
        token: samples::token(&scene.entropy),
        shares: vec![ClaimShare { webhook: webhook.id, take: 10, lease_for: HOUR, is_limited: true }],
    };
    let leased = scene.queue.claim(&claim).await.unwrap();
    let one = &leased[0];
    assert_eq!(leased.len(), 1);
    assert_eq!(one.lease.delivery, DeliveryId::derive(event.id, webhook.id));
    assert_eq!(one.lease.token, claim.token);
    assert_eq!(one.event_id, event.id);
    assert_eq!(one.event_type, event.event_type);
    assert_eq!(one.project, event.project);
    assert_eq!(one.body, event.body);
    assert!(event.traceparent.is_some());
    assert_eq!(one.traceparent, event.traceparent);
    assert_eq!((one.attempt, one.automatic_attempts, one.abandoned_count), (1, 1, 0));
    assert_eq!((one.trigger, one.resumes), (Trigger::Automatic, false));
    assert_eq!((one.target.webhook_id, one.target.version), (webhook.id, 1));
    assert_eq!(one.target.url, webhook.settings.url);
    assert_eq!(one.target.headers, webhook.settings.headers);
    assert_eq!(one.target.retry, webhook.settings.retry);
    assert_eq!(one.target.timeout, webhook.settings.timeout);
    assert_eq!(one.target.format, webhook.settings.format);
    assert_eq!(one.target.secrets.current, secrets.current);
    assert_eq!(one.target.secrets.previous, secrets.previous);

    let DeliveryState::InFlight { lease_expires_at } = scene.delivery(one.lease.delivery).await.state else {
        panic!("a claimed delivery is in flight");
    };
    assert_near(lease_expires_at, scene.now().await + HOUR);
    scene.settle_held(one, Settled::RetryAfter(Duration::ZERO)).await;
    let again = scene.claim_one(webhook.id).await;
    assert_eq!((again.attempt, again.automatic_attempts, again.abandoned_count), (2, 2, 0));
    assert_eq!(again.body, event.body);

    let nothing = Claim { shares: Vec::new(), ..claim };
    assert!(scene.queue.claim(&nothing).await.unwrap().is_empty());
    assert!(scene.claim(scene.new_webhook().await.id, 5).await.is_empty());
}

/// Of any number of concurrent claims, one leases each delivery. The same holds when they all take over the
/// leases of a dead worker.
pub async fn concurrent_claims_share_nothing(harness: &dyn Harness) {
    const EACH: usize = 60;
    let scene = Scene::new(harness);
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        webhooks.push(scene.webhook().await);
    }
    let mut batch = Vec::new();
    for _ in 0..EACH {
        batch.push(scene.new_event().await);
    }
    scene.events.publish(&batch).await.unwrap();

    let claimed = claim_all_at_once(harness, &webhooks).await;
    assert_eq!(claimed.len(), EACH * 3, "every delivery was claimed");
    for (id, leases) in &claimed {
        assert_eq!(leases.len(), 1, "{id} was claimed more than once");
        assert_eq!((leases[0].attempt, leases[0].abandoned_count), (1, 0));
    }

    scene.advance(LEASE).await;
    let taken_over = claim_all_at_once(harness, &webhooks).await;
    assert_eq!(taken_over.len(), EACH * 3, "every delivery was taken over");
    for (id, leases) in &taken_over {
        assert_eq!(leases.len(), 1, "{id} was taken over more than once");
        assert_eq!((leases[0].attempt, leases[0].abandoned_count), (2, 1));
    }
    for id in taken_over.keys().step_by(17) {
        assert_eq!(scene.attempts(*id).await.len(), 1, "the attempt is abandoned once");
    }
}

/// Eight claimants take seven deliveries of each webhook at a time until none is left.
async fn claim_all_at_once(
    harness: &dyn Harness,
    webhooks: &[WebhookId],
) -> BTreeMap<DeliveryId, Vec<LeasedDelivery>> {
    let start = Arc::new(Barrier::new(8));
    let mut claimants = JoinSet::new();
    for n in 0..8 {
        let (queue, start) = (harness.queue(), Arc::clone(&start));
        let shares: Vec<_> = webhooks
            .iter()
            .map(|webhook| ClaimShare { webhook: *webhook, take: 7, lease_for: LEASE, is_limited: true })
            .collect();
        claimants.spawn(async move {
            let entropy = SeededEntropy::new(1_000 + n);
            let mut taken = Vec::new();
            start.wait().await;
            loop {
                let claim = Claim { token: samples::token(&entropy), shares: shares.clone() };
                let leased = queue.claim(&claim).await.unwrap();
                assert!(leased.len() <= 7 * shares.len(), "a claim does not exceed its shares");
                if leased.is_empty() {
                    return taken;
                }
                taken.extend(leased);
            }
        });
    }
    let mut by_delivery: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for leased in claimants.join_all().await.into_iter().flatten() {
        let leases = by_delivery.entry(leased.lease.delivery).or_default();
        leases.push(leased);
    }
    by_delivery
}

/// A claim takes the share of each webhook, the longest due deliveries first.
pub async fn a_claim_takes_its_share_oldest_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    // The order of the ids is opposite to that of the times, so that the claim cannot order by id.
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(scene.new_event().await);
    }
    for event in events.iter().rev() {
        scene.publish_one(event).await;
        scene.advance(MINUTE).await;
    }
    let claim = Claim {
        token: samples::token(&scene.entropy),
        shares: vec![
            ClaimShare { webhook: one, take: 3, lease_for: HOUR, is_limited: true },
            ClaimShare { webhook: two, take: 1, lease_for: DAY, is_limited: true },
        ],
    };
    let leased = scene.queue.claim(&claim).await.unwrap();
    let of = |webhook| {
        let of_webhook = leased.iter().filter(move |one| one.target.webhook_id == webhook);
        let mut events: Vec<_> = of_webhook.map(|one| one.event_id).collect();
        events.sort_unstable();
        events
    };
    assert_eq!(of(one), [events[1].id, events[2].id, events[3].id]);
    assert_eq!(of(two), [events[3].id]);
    for leased in &leased {
        let lasts = if leased.target.webhook_id == one { HOUR } else { DAY };
        let DeliveryState::InFlight { lease_expires_at } = scene.delivery(leased.lease.delivery).await.state
        else {
            panic!("a claimed delivery is in flight");
        };
        assert_near(lease_expires_at, scene.now().await + lasts);
    }

    // A retry is ordered by its due time, after deliveries that were published earlier.
    let retried = leased.iter().find(|leased| leased.target.webhook_id == two).unwrap();
    scene.settle_held(retried, Settled::RetryAfter(MINUTE)).await;
    scene.advance(2 * MINUTE).await;
    let next: Vec<_> = scene.claim(two, 3).await.iter().map(|one| one.event_id).collect();
    assert_eq!(next.len(), 3);
    assert!(!next.contains(&retried.event_id));
    assert_eq!(scene.claim_one(two).await.event_id, retried.event_id);
    assert!(scene.claim(one, 0).await.is_empty(), "a share of 0");
}

/// Deliveries that are leased, not due yet or finished are skipped.
pub async fn claim_skips_a_leased_delivery(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    assert!(scene.claim(webhook, 10).await.is_empty());
    scene.advance(LEASE - MINUTE).await;
    assert!(scene.claim(webhook, 10).await.is_empty());
    scene.settle_held(&leased, Settled::RetryAfter(10 * MINUTE)).await;
    assert!(scene.claim(webhook, 10).await.is_empty());
    scene.advance(9 * MINUTE).await;
    assert!(scene.claim(webhook, 10).await.is_empty());
    scene.advance(MINUTE).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!(leased.lease.delivery, id);
    scene.settle_held(&leased, Settled::Succeeded).await;
    scene.advance(DAY).await;
    assert!(scene.claim(webhook, 10).await.is_empty());
}

/// After a lease has expired, the next claim takes over the delivery and records the begun attempt as
/// abandoned. The attempt counts as a takeover and not as an attempt of the retry policy.
pub async fn an_expired_lease_is_taken_over_and_its_attempt_recorded(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id =
        scene.publish_one(&NewEvent { target: Target::Webhook(webhook), ..scene.new_event().await }).await.id;
    let id = DeliveryId::derive(id, webhook);
    let begun = scene.now().await;
    let mut leased = scene.claim_one(webhook).await;
    assert!(scene.attempts(id).await.is_empty());
    for takeover in 1..=3_u32 {
        scene.advance(LEASE).await;
        assert_eq!(scene.status(id).await, DeliveryStatus::Retrying);
        let lost = leased;
        leased = scene.claim_one(webhook).await;
        assert_eq!(leased.lease.delivery, id);
        assert_ne!(leased.lease.token, lost.lease.token);
        assert_eq!((leased.attempt, leased.abandoned_count), (takeover + 1, takeover));
        assert_eq!(leased.automatic_attempts, 1);
        assert_eq!(scene.delivery(id).await.attempts, takeover + 1);

        let attempts = scene.attempts(id).await;
        assert_eq!(attempts.len(), takeover as usize);
        let abandoned = &attempts[0];
        assert_eq!((abandoned.number, abandoned.trigger), (takeover, Trigger::Automatic));
        assert_eq!(abandoned.signature, "", "the signature of an abandoned attempt is unknown");
        assert_eq!(abandoned.outcome.response, None);
        let failure = abandoned.outcome.failure.as_ref().unwrap();
        assert_eq!(failure.class, FailureClass::Abandoned);
        assert!(!failure.detail.is_empty());
        // The bounds are wide for a store that shifts its times when time passes.
        assert!(abandoned.started_at + 4 * LEASE >= begun);
        assert!(abandoned.started_at <= scene.now().await);
    }
    scene.settle_held(&leased, Settled::RetryAfter(Duration::ZERO)).await;
    let next = scene.claim_one(webhook).await;
    assert_eq!((next.attempt, next.automatic_attempts, next.abandoned_count), (5, 2, 0));
}
