//! Tests of the health of endpoints and of the deliveries that an open circuit holds back.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::health::{LONGEST_OPEN, OPEN_AFTER, OPEN_AFTER_FAILING_FOR};
use rdev_webhooks_domain::{
    Access, Circuit, Claim, ClaimShare, DeliveryId, DeliveryStatus, DisabledReason, Health, HealthEffect,
    LastFailure, LeasedDelivery, Settled, Settlement, Trigger, WebhookId, WebhookState,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{LEASE, MINUTE, Scene, assert_about, assert_near};
use crate::samples;

const RETRY_NOW: Settled = Settled::RetryAfter(Duration::ZERO);

/// How long an endpoint must have been failing.
const LONG_ENOUGH: std::time::Duration = OPEN_AFTER_FAILING_FOR;

/// Number of failed probes after which a circuit stays open for the longest time, so that no test depends on
/// speed.
const OPEN_COUNT: u32 = 7;

impl Scene<'_> {
    pub(super) async fn health(&self, webhook: WebhookId) -> Health {
        let health = self.webhooks.health(&[webhook]).await.unwrap();
        assert_eq!(health.len(), 1, "one entry for one webhook");
        health[0]
    }

    async fn circuit(&self, webhook: WebhookId) -> Circuit {
        self.health(webhook).await.circuit(self.now().await)
    }

    /// Settles all leases in one batch as retries that are due at once.
    pub(super) async fn settle_as(&self, leased: &[LeasedDelivery], health: HealthEffect) {
        let mut batch: Vec<Settlement> = Vec::new();
        for one in leased {
            let settled = if health == HealthEffect::Succeeded { Settled::Succeeded } else { RETRY_NOW };
            batch.push(Settlement { health, ..self.settlement(one, settled).await });
        }
        let recorded = self.queue.settle(&batch).await.unwrap();
        assert!(recorded.iter().all(|recorded| *recorded), "the leases are current");
    }

    /// Publishes and claims `count` deliveries.
    pub(super) async fn claim_new(&self, webhook: WebhookId, count: u32) -> Vec<LeasedDelivery> {
        for _ in 0..count {
            self.publish_to(webhook).await;
        }
        let leased = self.claim(webhook, count).await;
        assert_eq!(leased.len(), count as usize, "all deliveries can be claimed");
        leased
    }

    /// Creates a webhook whose circuit has just opened for the longest time, with [`OPEN_AFTER`] waiting
    /// deliveries.
    pub(super) async fn broken_webhook(&self) -> WebhookId {
        let webhook = self.webhook().await;
        let leased = self.claim_new(webhook, OPEN_AFTER).await;
        let (first, rest) = leased.split_at(1);
        self.settle_as(first, HealthEffect::Unavailable).await;
        self.advance(LONG_ENOUGH).await;
        self.settle_as(rest, HealthEffect::Unavailable).await;
        for _ in 1..OPEN_COUNT {
            self.advance(LONGEST_OPEN + MINUTE).await;
            let probe = self.claim(webhook, 10).await;
            assert_eq!(probe.len(), 1, "a half-open circuit lets one delivery through");
            self.settle_as(&probe, HealthEffect::Unavailable).await;
        }
        webhook
    }
}

/// The circuit stays closed until the last of [`OPEN_AFTER`] failures, counted over batches and deliveries,
/// opens it. Each failure after the wait opens it for twice as long. A failure that was not recorded does not
/// count.
pub async fn failures_in_a_row_open_the_circuit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let other = scene.webhook().await;
    assert_eq!(scene.health(webhook).await, Health::default());

    let leased = scene.claim_new(webhook, OPEN_AFTER).await;
    let (last, before) = leased.split_last().unwrap();
    scene.settle_as(&before[..9], HealthEffect::Unavailable).await;
    let first_at = scene.health(webhook).await.failing_since.expect("the endpoint is failing");
    assert_near(first_at, scene.now().await);
    scene.advance(LONG_ENOUGH).await;
    scene.settle_as(&before[9..], HealthEffect::Unavailable).await;
    let lost =
        Settlement { health: HealthEffect::Unavailable, ..scene.settlement(&before[0], RETRY_NOW).await };
    assert_eq!(scene.queue.settle(&[lost]).await.unwrap(), [false]);
    let health = scene.health(webhook).await;
    let expected = Health {
        consecutive_failures: OPEN_AFTER - 1,
        failing_since: Some(first_at),
        last_failed_at: health.last_failed_at,
        ..Health::default()
    };
    assert_eq!(health, expected);
    assert_near(health.last_failed_at.expect("the endpoint has failed"), scene.now().await);

    scene.settle_as(std::slice::from_ref(last), HealthEffect::Unavailable).await;
    let health = scene.health(webhook).await;
    assert_eq!((health.consecutive_failures, health.open_count, health.is_probing), (OPEN_AFTER, 1, false));
    assert_eq!(health.failing_since, Some(first_at));
    assert_near(health.open_until.expect("the circuit is open"), scene.now().await);

    for open_count in 2..=OPEN_COUNT + 1 {
        scene.advance(LONGEST_OPEN + MINUTE).await;
        assert_eq!(scene.circuit(webhook).await, Circuit::HalfOpen);
        let probe = scene.claim(webhook, 10).await;
        scene.settle_as(&probe, HealthEffect::Unavailable).await;
        let health = scene.health(webhook).await;
        assert_eq!(
            (health.consecutive_failures, health.open_count),
            (OPEN_AFTER + open_count - 1, open_count)
        );
        let waits = rdev_webhooks_domain::health::open_for(open_count);
        assert_near(health.open_until.expect("the circuit is open"), scene.now().await + waits);
    }
    assert_eq!(scene.webhooks.health(&[other, webhook]).await.unwrap()[0], Health::default());
    assert_eq!(scene.health(other).await, Health::default());
}

/// Any number of failures in one moment leaves the circuit closed. The first failure after the failures have
/// lasted long enough opens it.
pub async fn a_burst_of_failures_does_not_open_the_circuit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let leased = scene.claim_new(webhook, OPEN_AFTER * 2).await;
    let (last, burst) = leased.split_last().unwrap();
    scene.settle_as(burst, HealthEffect::Unavailable).await;
    assert_eq!(scene.circuit(webhook).await, Circuit::Closed);
    scene.advance(LONG_ENOUGH).await;
    assert_eq!(scene.circuit(webhook).await, Circuit::Closed);
    scene.settle_as(std::slice::from_ref(last), HealthEffect::Unavailable).await;
    assert!(matches!(scene.circuit(webhook).await, Circuit::Open { .. }));
}

/// Deliveries behind an open circuit, new ones and redeliveries, are neither discovered nor claimed and stay
/// unchanged. Other webhooks are unaffected.
pub async fn an_open_circuit_holds_deliveries_without_using_attempts(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.broken_webhook().await;
    let new = scene.publish_to(webhook).await;
    let retried = scene.publish_to(webhook).await;
    scene.queue.redeliver(Access::everything(), retried, &Trigger::Manual.into()).await.unwrap();
    assert!(matches!(scene.circuit(webhook).await, Circuit::Open { .. }));

    assert!(scene.claim(webhook, 100).await.is_empty());
    let discovery = scene.queue.discover(None, 100).await.unwrap();
    assert!(discovery.due.is_empty(), "{discovery:?}");
    assert_about(discovery.next_due_in, LONGEST_OPEN);
    for id in [new, retried] {
        let delivery = scene.delivery(id).await;
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Pending, 0));
    }

    let other = scene.webhook().await;
    scene.publish_to(other).await;
    let discovery = scene.queue.discover(None, 100).await.unwrap();
    assert_eq!(discovery.due.iter().map(|due| due.id).collect::<Vec<_>>(), [other]);
    assert_about(discovery.next_due_in, LONGEST_OPEN);
    scene.claim_one(other).await;
}

/// Of all concurrent claims on a half-open circuit, one gets one delivery. The others get nothing until the
/// probe is settled or its lease expires.
pub async fn a_half_open_circuit_lets_one_probe_through(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.broken_webhook().await;
    for _ in 0..2 {
        scene.advance(LONGEST_OPEN + MINUTE).await;
        let due = scene.queue.discover(None, 100).await.unwrap().due;
        assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [webhook]);

        let start = Arc::new(Barrier::new(8));
        let mut claimants = JoinSet::new();
        for _ in 0..8 {
            let (queue, start) = (Arc::clone(&scene.queue), Arc::clone(&start));
            let share = ClaimShare { webhook, take: 10, lease_for: LEASE, is_limited: true };
            let claim = Claim { token: samples::token(&scene.entropy), shares: vec![share] };
            claimants.spawn(async move {
                start.wait().await;
                queue.claim(&claim).await.unwrap()
            });
        }
        let probes: Vec<LeasedDelivery> = claimants.join_all().await.into_iter().flatten().collect();
        assert_eq!(probes.len(), 1, "one probe");
        let id: DeliveryId = probes[0].lease.delivery;
        assert_eq!(scene.status(id).await, DeliveryStatus::InFlight);

        assert!(scene.claim(webhook, 10).await.is_empty());
        let discovery = scene.queue.discover(None, 100).await.unwrap();
        assert!(discovery.due.is_empty(), "{discovery:?}");
        assert_about(discovery.next_due_in, LEASE);
        scene.settle_as(&probes, HealthEffect::Unavailable).await;
        assert!(scene.claim(webhook, 10).await.is_empty());
    }

    // Each worker that sends this delivery dies.
    scene.advance(LONGEST_OPEN + MINUTE).await;
    let lost = scene.claim(webhook, 10).await;
    assert_eq!(lost.len(), 1);
    scene.advance(LEASE + MINUTE).await;
    assert_eq!(scene.claim(webhook, 10).await.len(), 1);
    assert!(scene.claim(webhook, 10).await.is_empty());
    let abandoned = scene.attempts(lost[0].lease.delivery).await;
    assert!(abandoned.len() <= lost[0].attempt as usize, "only begun attempts are recorded");
}

/// A success resets the health, lets all waiting deliveries through at once, and outweighs failures in its
/// batch.
pub async fn a_success_closes_the_circuit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.broken_webhook().await;
    scene.advance(LONGEST_OPEN + MINUTE).await;
    let probe = scene.claim(webhook, 10).await;
    assert_eq!(probe.len(), 1);
    scene.settle_as(&probe, HealthEffect::Succeeded).await;
    assert_eq!(scene.health(webhook).await, Health::default());

    let rest = scene.claim(webhook, 100).await;
    assert_eq!(rest.len(), OPEN_AFTER as usize - 1);
    let (one, others) = rest.split_first().unwrap();
    let mut batch = Vec::new();
    for other in others {
        batch.push(Settlement {
            health: HealthEffect::Unavailable,
            ..scene.settlement(other, RETRY_NOW).await
        });
    }
    let success = scene.settlement(one, Settled::Succeeded).await;
    batch.insert(3, Settlement { health: HealthEffect::Succeeded, ..success });
    assert!(scene.queue.settle(&batch).await.unwrap().iter().all(|recorded| *recorded));
    assert_eq!(scene.health(webhook).await, Health::default());

    // The count begins again.
    let again = scene.claim(webhook, OPEN_AFTER - 2).await;
    scene.settle_as(&again, HealthEffect::Unavailable).await;
    assert_eq!(scene.health(webhook).await.consecutive_failures, OPEN_AFTER - 2);
    assert_eq!(scene.circuit(webhook).await, Circuit::Closed);
}

/// A rejection neither opens nor closes the circuit, but it counts as a failure.
pub async fn a_rejection_neither_opens_nor_closes_the_circuit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let leased = scene.claim_new(webhook, OPEN_AFTER + 5).await;
    scene.settle_as(&leased, HealthEffect::Rejected).await;
    let health = scene.health(webhook).await;
    let since = health.failing_since.expect("the endpoint is failing");
    let last_failed_at = health.last_failed_at;
    assert_eq!(health, Health { failing_since: Some(since), last_failed_at, ..Health::default() });
    assert_eq!(scene.claim(webhook, 100).await.len(), leased.len());

    let webhook = scene.broken_webhook().await;
    scene.advance(LONGEST_OPEN + MINUTE).await;
    let before = scene.health(webhook).await;
    for _ in 0..3 {
        let probe = scene.claim(webhook, 10).await;
        assert_eq!(probe.len(), 1, "the next probe follows at once");
        assert!(scene.health(webhook).await.is_probing);
        scene.settle_as(&probe, HealthEffect::Rejected).await;
        let health = scene.health(webhook).await;
        let (open_until, last_failed_at) = (before.open_until, before.last_failed_at);
        assert_eq!(Health { open_until, last_failed_at, ..health }, before);
        assert_eq!(scene.circuit(webhook).await, Circuit::HalfOpen);
    }
}

/// A new URL, other projects and enabling reset the health; no other change does. A new URL is another
/// endpoint, a caller of the new projects must not see failures of other projects' events, and enabling gives
/// the endpoint another chance.
pub async fn a_new_url_other_projects_and_enabling_reset_the_health(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.broken_webhook().await;
    let health = scene.health(webhook).await;
    scene.change(webhook, |webhook| webhook.settings.description = Some("another".to_owned())).await;
    assert_eq!(scene.health(webhook).await, health);
    scene.change(webhook, |webhook| webhook.settings.url = "https://other.example/".parse().unwrap()).await;
    assert_eq!(scene.health(webhook).await, Health::default());
    assert_eq!(scene.claim(webhook, 100).await.len(), OPEN_AFTER as usize);

    let webhook = scene.broken_webhook().await;
    for projects in [samples::projects(["a", "b"]), samples::projects(["a"]), samples::projects([])] {
        scene.change(webhook, |webhook| webhook.settings.projects = projects.clone()).await;
        assert_eq!(scene.health(webhook).await, Health::default(), "{projects:?}");
        let leased = scene.claim(webhook, 1).await;
        scene.settle_as(&leased, HealthEffect::Unavailable).await;
        let health = scene.health(webhook).await;
        assert_eq!(health.consecutive_failures, 1);
        scene.change(webhook, |webhook| webhook.settings.description = Some(format!("{projects:?}"))).await;
        assert_eq!(scene.health(webhook).await, health);
    }

    let webhook = scene.broken_webhook().await;
    let since = scene.now().await;
    let reason = DisabledReason::Failing;
    scene.change(webhook, |webhook| webhook.state = WebhookState::Disabled { reason, since }).await;
    assert_eq!(scene.health(webhook).await.open_count, OPEN_COUNT);
    scene.change(webhook, |webhook| webhook.state = WebhookState::Enabled).await;
    assert_eq!(scene.health(webhook).await, Health::default());
    assert_eq!(scene.claim(webhook, 100).await.len(), OPEN_AFTER as usize);

    let webhook = scene.broken_webhook().await;
    scene.delete(webhook).await;
    assert_eq!(scene.health(webhook).await, Health::default());
}

/// Discovery reports how the last attempt of each webhook failed, until an attempt succeeds.
pub async fn discovery_tells_how_the_last_attempt_failed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for _ in 0..6 {
        scene.publish_to(webhook).await;
    }
    let last_failure = async || {
        let discovery = scene.queue.discover(None, 10).await.unwrap();
        assert_eq!(discovery.due.len(), 1, "the webhook has a due delivery");
        discovery.due[0].last_failure
    };
    assert_eq!(last_failure().await, None);
    scene.advance(MINUTE).await;
    let overdue = scene.queue.discover(None, 10).await.unwrap().due[0].overdue;
    assert_about(Some(overdue), MINUTE);
    for (effect, expected) in [
        (HealthEffect::Unavailable, Some(LastFailure::Prompt)),
        (HealthEffect::Silent, Some(LastFailure::Silent)),
        (HealthEffect::Rejected, Some(LastFailure::Prompt)),
        (HealthEffect::Succeeded, None),
    ] {
        let leased = scene.claim(webhook, 1).await;
        scene.settle_as(&leased, effect).await;
        assert_eq!(last_failure().await, expected, "{effect:?}");
    }
    let left_behind = scene.claim(webhook, 1).await;
    assert_eq!(last_failure().await, None);
    scene.advance(LEASE + MINUTE).await;
    assert_eq!(last_failure().await, Some(LastFailure::Silent), "the worker of the attempt died");
    scene.settle_as(&left_behind, HealthEffect::Succeeded).await;
    assert_eq!(last_failure().await, None);
}

/// An opened circuit is listed until it closes, and the deliveries that it holds back do not count as
/// claimable.
pub async fn a_survey_lists_open_circuits(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let survey = async || scene.queue.survey().await.unwrap();
    scene.webhook().await;
    assert_eq!(survey().await.circuits, []);

    let broken = scene.broken_webhook().await;
    scene.advance(MINUTE).await;
    let open = survey().await;
    assert_eq!((open.unfinished, open.oldest_due), (u64::from(OPEN_AFTER), None));
    let [(webhook, Circuit::Open { until })] = open.circuits[..] else {
        panic!("not exactly one circuit is open: {:?}", open.circuits);
    };
    assert_eq!(webhook, broken);
    assert_near(until, scene.health(broken).await.open_until.unwrap());

    scene.advance(LONGEST_OPEN).await;
    let half_open = survey().await;
    assert_eq!(half_open.circuits, [(broken, Circuit::HalfOpen)]);
    assert!(half_open.oldest_due.is_some(), "the probe can be claimed");

    let probe = scene.claim(broken, 10).await;
    scene.settle_as(&probe, HealthEffect::Succeeded).await;
    assert_eq!(survey().await.circuits, []);
}
