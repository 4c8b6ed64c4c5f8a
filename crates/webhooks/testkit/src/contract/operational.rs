//! Tests of the operational events that attempts and replays cause.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::health::{LONGEST_OPEN, OPEN_AFTER, OPEN_AFTER_FAILING_FOR};
use rdev_webhooks_domain::{
    Access, DeliveryOutcome, Event, EventFilter, EventType, FailureReason, HealthEffect, LeasedDelivery,
    NewEvent, ReplaySelection, Settled, Settlement, Target, Trigger, Webhook, WebhookId, render_body,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{MINUTE, Scene, first};
use crate::samples;

const RETRY_NOW: Settled = Settled::RetryAfter(Duration::ZERO);
const EXHAUSTED: Settled = Settled::Failed(FailureReason::AttemptsExhausted);

impl Scene<'_> {
    /// Stores a webhook with these subscriptions and projects.
    async fn subscriber<const N: usize, const M: usize>(
        &self,
        patterns: [&str; N],
        projects: [&str; M],
    ) -> WebhookId {
        let mut webhook = self.new_webhook().await;
        webhook.settings.events = samples::patterns(patterns);
        webhook.settings.projects = samples::projects(projects);
        self.create(&webhook).await;
        webhook.id
    }

    /// Returns the events of a type in the order of their ids.
    async fn reports(&self, event_type: EventType) -> Vec<Event> {
        let filter = EventFilter { event_type: Some(event_type), ..EventFilter::default() };
        let events = self.events.list(Access::everything(), &filter, first(1_000)).await.unwrap();
        events.items.into_iter().rev().map(|record| record.event).collect()
    }

    /// Settles all leases in one batch.
    async fn settle_all(&self, leased: &[LeasedDelivery], settled: Settled, health: HealthEffect) {
        let mut batch = Vec::new();
        for one in leased {
            batch.push(Settlement { health, ..self.settlement(one, settled).await });
        }
        let recorded = self.queue.settle(&batch).await.unwrap();
        assert!(recorded.iter().all(|recorded| *recorded), "the leases are current");
    }

    /// Publishes and claims `count` deliveries of events of a type.
    async fn claim_of(&self, webhook: WebhookId, event_type: &EventType, count: u32) -> Vec<LeasedDelivery> {
        for _ in 0..count {
            let event = self.new_event().await;
            let body = render_body(event_type, event.timestamp, "{}");
            let target = Target::Webhook(webhook);
            let event_type = event_type.clone();
            self.publish_one(&NewEvent { target, body, event_type, ..event }).await;
        }
        let leased = self.claim(webhook, count).await;
        assert_eq!(leased.len(), count as usize, "all deliveries can be claimed");
        leased
    }

    /// Lets the circuit of a webhook open by attempts at events of a type, which are then due again.
    async fn open_circuit(&self, webhook: WebhookId, event_type: &EventType) {
        let leased = self.claim_of(webhook, event_type, OPEN_AFTER).await;
        let (first, rest) = leased.split_at(1);
        self.settle_all(first, RETRY_NOW, HealthEffect::Unavailable).await;
        self.advance(OPEN_AFTER_FAILING_FOR).await;
        self.settle_all(rest, RETRY_NOW, HealthEffect::Unavailable).await;
    }

    /// Sends the probe of an open circuit.
    async fn probe(&self, webhook: WebhookId, settled: Settled, health: HealthEffect) {
        self.advance(LONGEST_OPEN + MINUTE).await;
        let probe = self.claim(webhook, 10).await;
        assert_eq!(probe.len(), 1, "a half-open circuit lets one delivery through");
        self.settle_all(&probe, settled, health).await;
    }
}

fn ordinary() -> EventType {
    "command.completed".parse().unwrap()
}

fn text(event: &Event) -> String {
    String::from_utf8_lossy(&event.body).into_owned()
}

/// The opening of a circuit is published once, not at each failed probe, and its closing after that once. Neither goes
/// to the webhook that they are about, nor to one that subscribes to `*`.
pub async fn a_failing_webhook_is_published_once_and_so_is_its_recovery(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let observer = scene.subscriber(["webhook.failing", "webhook.recovered"], []).await;
    scene.subscriber(["*"], []).await;
    let webhook = scene.subscriber(["command.*", "webhook.*"], []).await;
    let (failing, recovered) = (EventType::webhook_failing(), EventType::webhook_recovered());
    for round in 1..3 {
        scene.quieten().await;
        scene.open_circuit(webhook, &ordinary()).await;
        scene.wakes().await;
        for _ in 0..2 {
            scene.probe(webhook, RETRY_NOW, HealthEffect::Unavailable).await;
            scene.probe(webhook, RETRY_NOW, HealthEffect::Rejected).await;
        }
        let since = scene.webhooks.health(&[webhook]).await.unwrap()[0].failing_since.unwrap();
        let reports = scene.reports(failing.clone()).await;
        assert_eq!(reports.len(), round, "{reports:?}");
        let report = &reports[round - 1];
        let expected = format!(
            r#"{{"event":"webhook.failing","timestamp":"{}","data":{{"webhook_id":"{webhook}","host":"example.com","failing_since":"{since}","last_failure":{{"class":"status","status":500}}}}}}"#,
            report.timestamp
        );
        assert_eq!(text(report), expected);
        assert_eq!(report.project, None);
        assert_eq!(scene.receivers(report.id).await, [observer]);
        assert_eq!(scene.reports(recovered.clone()).await.len(), round - 1);

        scene.quieten().await;
        scene.probe(webhook, Settled::Succeeded, HealthEffect::Succeeded).await;
        scene.wakes().await;
        let rest = scene.claim(webhook, 100).await;
        scene.settle_all(&rest, Settled::Succeeded, HealthEffect::Succeeded).await;
        let reports = scene.reports(recovered.clone()).await;
        assert_eq!(reports.len(), round, "{reports:?}");
        let report = &reports[round - 1];
        let at = report.timestamp;
        let expected = format!(
            r#"{{"event":"webhook.recovered","timestamp":"{at}","data":{{"webhook_id":"{webhook}","host":"example.com","failing_since":"{since}","recovered_at":"{at}"}}}}"#
        );
        assert_eq!(text(report), expected);
        assert_eq!(scene.receivers(report.id).await, [observer]);
        assert!(!scene.webhooks.health(&[webhook]).await.unwrap()[0].is_reported);
    }
}

/// Several workers that record the failures, and then the successes, of one webhook at once publish one event of each.
pub async fn concurrent_batches_publish_each_transition_once(harness: &dyn Harness) {
    const WORKERS: usize = 4;
    let scene = Scene::new(harness);
    scene.subscriber(["webhook.*", "delivery.*"], []).await;
    let webhook = scene.subscriber(["command.*"], []).await;
    let at_once = async |leased: &[LeasedDelivery], settled: Settled, health: HealthEffect| {
        let barrier = Arc::new(Barrier::new(WORKERS));
        let mut workers = JoinSet::new();
        for part in leased.chunks(leased.len().div_ceil(WORKERS)) {
            let mut batch = Vec::new();
            for one in part {
                batch.push(Settlement { health, ..scene.settlement(one, settled).await });
            }
            let (queue, barrier) = (Arc::clone(&scene.queue), Arc::clone(&barrier));
            workers.spawn(async move {
                barrier.wait().await;
                queue.settle(&batch).await.unwrap()
            });
        }
        let recorded = workers.join_all().await;
        assert!(recorded.iter().flatten().all(|recorded| *recorded), "the leases are current");
    };
    let first = scene.claim_of(webhook, &ordinary(), 1).await;
    scene.settle_all(&first, EXHAUSTED, HealthEffect::Unavailable).await;
    scene.advance(OPEN_AFTER_FAILING_FOR).await;
    let count = OPEN_AFTER * 2;
    let leased = scene.claim_of(webhook, &ordinary(), count + 8).await;
    let (failing, succeeding) = leased.split_at(count as usize);
    at_once(failing, EXHAUSTED, HealthEffect::Unavailable).await;
    assert_eq!(scene.reports(EventType::webhook_failing()).await.len(), 1);
    let failed = scene.reports(EventType::delivery_failed()).await;
    assert_eq!(failed.len(), count as usize + 1, "each delivery is reported once");
    at_once(succeeding, Settled::Succeeded, HealthEffect::Succeeded).await;
    assert_eq!(scene.reports(EventType::webhook_recovered()).await.len(), 1);
}

/// Attempts at operational events open and close circuits, but only a failed attempt at another event reports that: so
/// two webhooks that get the reports of each other cannot keep each other busy. A recovery is reported only after the
/// failure was.
pub async fn operational_events_report_no_failing_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, other) = (scene.subscriber(["webhook.*"], []).await, scene.subscriber(["webhook.*"], []).await);
    let (failing, recovered) = (EventType::webhook_failing(), EventType::webhook_recovered());
    let held = scene.claim_of(one, &ordinary(), 1).await;
    for webhook in [one, other] {
        scene.open_circuit(webhook, &recovered).await;
        assert!(scene.webhooks.health(&[webhook]).await.unwrap()[0].open_count > 0);
    }
    assert!(scene.reports(failing.clone()).await.is_empty());

    // The first failed attempt at another event reports the circuit that is open already.
    scene.settle_all(&held, EXHAUSTED, HealthEffect::Unavailable).await;
    let [report] = &scene.reports(failing).await[..] else { panic!("not one report") };
    assert_eq!(scene.receivers(report.id).await, [other]);
    assert!(scene.reports(EventType::delivery_failed()).await.is_empty(), "no webhook subscribes to them");

    scene.probe(other, Settled::Succeeded, HealthEffect::Succeeded).await;
    let before = scene.reports(recovered.clone()).await.len();
    assert_eq!(before, 2 * OPEN_AFTER as usize, "the events of this test alone");
    scene.probe(one, Settled::Succeeded, HealthEffect::Succeeded).await;
    assert_eq!(scene.reports(recovered).await.len(), before + 1, "the failure was reported");
}

/// Each transition of a delivery to `failed` is published once: not a retry, not a lost lease, not the delivery of an
/// operational event. A redelivery that fails is another transition.
pub async fn a_failed_delivery_is_published_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let observer = scene.subscriber(["delivery.failed"], []).await;
    let webhook = scene.subscriber(["command.*", "delivery.*"], []).await;
    let reports = async || scene.reports(EventType::delivery_failed()).await;
    let leased = scene.claim_of(webhook, &ordinary(), 1).await;
    scene.settle_all(&leased, RETRY_NOW, HealthEffect::None).await;
    assert!(!scene.settle(&leased[0], EXHAUSTED).await, "the lease is lost");
    assert!(reports().await.is_empty());

    scene.quieten().await;
    let leased = vec![scene.claim_one(webhook).await];
    scene.settle_all(&leased, EXHAUSTED, HealthEffect::Rejected).await;
    scene.wakes().await;
    assert!(!scene.settle(&leased[0], EXHAUSTED).await);
    let [report] = &reports().await[..] else { panic!("not one report") };
    let delivery = scene.delivery(leased[0].lease.delivery).await;
    let (id, event) = (delivery.id, delivery.event_id);
    let at = delivery.state.finished_at().unwrap();
    let expected = format!(
        r#"{{"event":"delivery.failed","timestamp":"{at}","data":{{"delivery_id":"{id}","webhook_id":"{webhook}","host":"example.com","event_id":"{event}","event":"command.completed","project":null,"attempts":2,"reason":"attempts_exhausted","last_failure":{{"class":"status","status":500}},"failed_at":"{at}"}}}}"#
    );
    assert_eq!(text(report), expected);
    assert_eq!(scene.receivers(report.id).await, [observer]);

    let own = scene.claim(observer, 10).await;
    assert_eq!(own.len(), 1);
    scene.settle_all(&own, EXHAUSTED, HealthEffect::Rejected).await;
    assert_eq!(reports().await.len(), 1, "the delivery of a report is not reported");

    scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
    let again = scene.claim_one(webhook).await;
    scene.settle_held(&again, Settled::Failed(FailureReason::RedeliveryFailed)).await;
    let all = reports().await;
    assert_eq!(all.len(), 2);
    let contains = |all: &[Event], part: &str| all.iter().any(|report| text(report).contains(part));
    assert!(contains(&all, r#""attempts":3,"reason":"redelivery_failed""#), "{all:?}");

    let refused = scene.claim_of(webhook, &ordinary(), 1).await;
    let settled = Settled::Failed(FailureReason::RefusedDestination);
    let settlement = Settlement { attempt: None, ..scene.settlement(&refused[0], settled).await };
    assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
    let all = reports().await;
    assert!(contains(&all, r#""reason":"refused_destination","last_failure":null"#), "{all:?}");
}

/// Without a subscriber the attempts publish nothing.
pub async fn attempts_publish_nothing_without_a_subscriber(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let off = scene.subscriber(["webhook.*", "delivery.*"], []).await;
    scene.disable(off).await;
    scene.open_circuit(webhook, &ordinary()).await;
    scene.probe(webhook, EXHAUSTED, HealthEffect::Unavailable).await;
    scene.probe(webhook, Settled::Succeeded, HealthEffect::Succeeded).await;
    for event_type in
        [EventType::webhook_failing(), EventType::webhook_recovered(), EventType::delivery_failed()]
    {
        assert!(scene.reports(event_type).await.is_empty());
    }
}

/// The report of a webhook with one project belongs to that project, but not that of a delivery of another project,
/// which the webhook took before. The report of a webhook with several projects, or with all, belongs to none.
pub async fn reports_belong_to_the_project_of_their_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let all = scene.subscriber(["webhook.*", "delivery.*"], []).await;
    let of_a = scene.subscriber(["webhook.*", "delivery.*"], ["a"]).await;
    scene.subscriber(["webhook.*", "delivery.*"], ["b"]).await;
    let both = [all, of_a];
    for (own, project, receivers) in [
        (vec!["a"], Some("a"), &both[..]),
        (vec!["a"], Some("b"), &both[..1]),
        (vec!["a"], None, &both[..1]),
        (vec!["a", "b"], Some("a"), &both[..1]),
        (vec![], Some("a"), &both[..1]),
    ] {
        let webhook = scene.webhook().await;
        let set = |webhook: &mut Webhook| {
            webhook.settings.projects = own.iter().map(|name| name.parse().unwrap()).collect();
        };
        scene.change(webhook, set).await;
        let project = project.map(|name: &str| name.parse().unwrap());
        let event = NewEvent { project, target: Target::Webhook(webhook), ..scene.new_event().await };
        scene.publish_one(&event).await;
        let leased = scene.claim_one(webhook).await;
        scene.settle_held(&leased, EXHAUSTED).await;
        let reports = scene.reports(EventType::delivery_failed()).await;
        let is_about = |report: &&Event| text(report).contains(&webhook.to_string());
        let report = reports.iter().find(is_about).expect("the delivery is reported");
        assert_eq!(scene.receivers(report.id).await, receivers, "{}", text(report));
        let claimed = scene.claim(all, 10).await;
        scene.settle_all(&claimed, Settled::Succeeded, HealthEffect::Succeeded).await;
    }
    let webhook = scene.subscriber(["command.*"], ["a"]).await;
    scene.open_circuit(webhook, &ordinary()).await;
    scene.probe(webhook, Settled::Succeeded, HealthEffect::Succeeded).await;
    for event_type in [EventType::webhook_failing(), EventType::webhook_recovered()] {
        let [report] = &scene.reports(event_type).await[..] else { panic!("not one report") };
        assert_eq!(scene.receivers(report.id).await, both);
    }
}

/// The completion of a replay is published once, with its counts; also of one that is complete from the beginning.
pub async fn a_completed_replay_is_published_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let observer = scene.subscriber(["replay.completed"], []).await;
    let webhook = scene.webhook().await;
    let reports = async || scene.reports(EventType::replay_completed()).await;
    scene.failed(webhook, 3).await;
    let selection = scene.all_failed(webhook).await;
    let id = scene.begin(selection.clone()).await;
    scene.replays.advance(id).await.unwrap().unwrap();
    let leased = scene.claim(webhook, 10).await;
    scene.settle_all(&leased[..2], Settled::Succeeded, HealthEffect::Succeeded).await;
    scene.replays.advance(id).await.unwrap().unwrap();
    assert!(reports().await.is_empty());
    scene
        .settle_all(&leased[2..], Settled::Failed(FailureReason::RedeliveryFailed), HealthEffect::None)
        .await;
    scene.quieten().await;
    scene.replays.advance(id).await.unwrap().unwrap();
    scene.wakes().await;
    assert!(scene.replays.advance(id).await.unwrap().is_none(), "the replay is complete");
    let [report] = &reports().await[..] else { panic!("not one report") };
    let (since, until, at) = (selection.since, selection.until, report.timestamp);
    let expected = format!(
        r#"{{"event":"replay.completed","timestamp":"{at}","data":{{"replay_id":"{id}","webhook_id":"{webhook}","host":"example.com","status":"failed","since":"{since}","until":"{until}","queued":3,"succeeded":2,"failed":1,"cancelled":0,"completed_at":"{at}"}}}}"#
    );
    assert_eq!(text(report), expected);
    assert_eq!(scene.replay(id).await.state.ended_at(), Some(at));
    assert_eq!(scene.receivers(report.id).await, [observer]);

    let nothing = ReplaySelection { status: DeliveryOutcome::Cancelled.into(), ..selection };
    scene.quieten().await;
    let id = scene.begin(nothing).await;
    scene.wakes().await;
    let all = reports().await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|report| text(report).contains(&id.to_string())));

    scene.failed(webhook, 1).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.replays.cancel(Access::everything(), id).await.unwrap();
    assert_eq!(reports().await.len(), 2, "a cancelled replay is not complete");
}
