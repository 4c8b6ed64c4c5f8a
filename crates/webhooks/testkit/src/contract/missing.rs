//! Tests of replays of the events that a webhook has no delivery of.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::ReplayBegun;
use rdev_webhooks_domain::replay::EVENT_SCAN_LIMIT;
use rdev_webhooks_domain::{
    Access, DeliveryId, DeliveryStatus, EventId, EventType, FailureReason, NewEvent, ProjectName,
    ReplaySelection, ReplayState, ReplayStatus, Settled, Target, Timestamp, Trigger, WebhookId, render_body,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{HOUR, MINUTE, Scene};
use crate::samples;

impl Scene<'_> {
    /// Selects all events that a webhook has no delivery of.
    async fn all_missing(&self, webhook: WebhookId) -> ReplaySelection {
        ReplaySelection { status: ReplayStatus::Missing, ..self.all_failed(webhook).await }
    }

    /// Publishes an event of a type and a project to its subscribers.
    async fn publish_of(&self, event_type: &str, project: Option<&str>) -> EventId {
        let event = self.new_event().await;
        let event_type: EventType = event_type.parse().unwrap();
        let body = render_body(&event_type, event.timestamp, "{}");
        let project: Option<ProjectName> = project.map(|name| name.parse().unwrap());
        self.publish_one(&NewEvent { event_type, body, project, ..event }).await.id
    }

    /// Claims all due deliveries of a webhook, and settles them. Returns their events in the order of their ids.
    async fn send(&self, webhook: WebhookId, settled: Settled) -> Vec<EventId> {
        let leased = self.claim(webhook, 1_000).await;
        let mut settlements = Vec::with_capacity(leased.len());
        for one in &leased {
            settlements.push(self.settlement(one, settled).await);
        }
        self.queue.settle(&settlements).await.unwrap();
        let mut sent: Vec<_> = leased.iter().map(|one| one.event_id).collect();
        sent.sort_unstable();
        sent
    }
}

/// A replay of missing events sends what the webhook subscribes to now, within its range and projects, oldest first, and
/// nothing that it has a delivery of, whatever its status; no test events, nor operational ones about itself.
pub async fn missing_events_are_replayed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let other = scene.webhook().await;
    let mut expected = Vec::new();
    for project in ["a", "b"] {
        expected.push(scene.publish_of("order.paid", Some(project)).await);
        scene.publish_of("order.paid", Some("c")).await;
        scene.publish_of("order.paid", None).await;
        scene.publish_of("bill.paid", Some(project)).await;
    }
    expected.push(scene.publish_of("webhook.failing", Some("b")).await);
    scene.publish_of("webhook.recovered", Some("b")).await;
    scene.publish_of("webhook.test", Some("b")).await;
    let mut webhook = scene.new_webhook().await;
    webhook.settings.events = samples::patterns(["order.*", "webhook.failing", "webhook.test"]);
    webhook.settings.projects = samples::projects(["a", "b"]);
    scene.create(&webhook).await;
    let webhook = webhook.id;
    let event_type = EventType::webhook_failing();
    let event = scene.new_event().await;
    let body = render_body(&event_type, event.timestamp, &format!(r#"{{"webhook_id":"{webhook}"}}"#));
    let project = Some("a".parse().unwrap());
    scene.publish_one(&NewEvent { event_type, body, project, target: Target::Webhook(other), ..event }).await;
    // It has got these already.
    let got = scene.publish_of("order.sent", Some("a")).await;
    scene
        .settle_held(&scene.claim_one(webhook).await, Settled::Failed(FailureReason::AttemptsExhausted))
        .await;
    scene.publish_of("order.sent", Some("a")).await;

    let all = scene.all_missing(webhook).await;
    let of = |projects: &[&str]| Some(projects.iter().map(|name| name.parse().unwrap()).collect());
    for (selection, count) in [
        (all.clone(), 3),
        (ReplaySelection { since: expected[1].time(), ..all.clone() }, 2),
        (ReplaySelection { until: expected[1].time(), ..all.clone() }, 1),
        (ReplaySelection { projects: of(&["b", "c"]), ..all.clone() }, 2),
        (ReplaySelection { projects: of(&["c"]), ..all.clone() }, 0),
        (ReplaySelection { webhook_id: other, ..all.clone() }, 0),
    ] {
        let matched = scene.replays.count(&selection).await.unwrap();
        assert_eq!((matched.deliveries, matched.is_exact), (count, true), "{selection:?}");
    }

    scene.quieten().await;
    let id = scene.begin(all.clone()).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.state), (3, ReplayState::Running));
    scene.wakes().await;
    for event in &expected {
        let delivery = scene.delivery(DeliveryId::derive(*event, webhook)).await;
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Pending, 0));
        assert!(scene.receivers(*event).await.contains(&webhook));
    }
    let sent = scene.send(webhook, Settled::Succeeded).await;
    assert_eq!(sent.iter().filter(|event| expected.contains(event)).count(), 3);
    assert_eq!(sent.len(), 4, "and the one that was waiting");
    let step = scene.step(id).await;
    assert!(matches!(step.state, ReplayState::Completed { .. }), "{step:?}");
    let replay = scene.replay(id).await;
    assert_eq!((replay.queued, replay.succeeded, replay.failed), (3, 3, 0));
    assert_eq!(replay.selection, all);

    let again = scene.begin(scene.all_missing(webhook).await).await;
    assert!(matches!(scene.replay(again).await.state, ReplayState::Completed { .. }), "nothing is missing");
    assert_eq!(scene.status(DeliveryId::derive(got, webhook)).await, DeliveryStatus::Failed);
}

/// However many steps run at once, and though a cancelled replay is followed by another, each missing event gets one
/// delivery. What is published meanwhile is delivered as usual.
pub async fn concurrent_replays_make_each_missing_delivery_once(harness: &dyn Harness) {
    const EVENTS: usize = 40;
    let scene = Scene::new(harness);
    let mut missing = Vec::new();
    for _ in 0..EVENTS {
        missing.push(scene.publish().await);
    }
    let webhook = scene.webhook().await;
    let mut id = scene.begin(scene.all_missing(webhook).await).await;
    let mut sent = Vec::new();
    let mut live = Vec::new();
    for round in 0..EVENTS {
        let barrier = Arc::new(Barrier::new(4));
        let mut steps = JoinSet::new();
        for _ in 0..3 {
            let (replays, barrier) = (Arc::clone(&scene.replays), Arc::clone(&barrier));
            steps.spawn(async move {
                barrier.wait().await;
                replays.advance(id).await.unwrap();
            });
        }
        let event = scene.new_event().await;
        live.push(event.id);
        let (events, meanwhile) = (Arc::clone(&scene.events), Arc::clone(&barrier));
        steps.spawn(async move {
            meanwhile.wait().await;
            events.publish(&[event]).await.unwrap();
        });
        steps.join_all().await;
        if round == 2 {
            scene.replays.cancel(Access::everything(), id).await.unwrap();
            let selection = ReplaySelection { until: live[0].time(), ..scene.all_missing(webhook).await };
            let next = scene.new_replay(selection).await;
            assert_eq!(scene.replays.begin(Access::everything(), &next).await.unwrap(), ReplayBegun::Started);
            id = next.id;
        }
        sent.extend(scene.send(webhook, Settled::Succeeded).await);
        if scene.replay(id).await.state != ReplayState::Running {
            break;
        }
    }
    assert!(matches!(scene.replay(id).await.state, ReplayState::Completed { .. }));
    sent.extend(scene.send(webhook, Settled::Succeeded).await);
    sent.sort_unstable();
    missing.extend(live);
    missing.sort_unstable();
    assert_eq!(sent, missing, "each event is sent once");
}

/// The delivery of a missing event is retried like any other. The replay counts its first failure and goes on.
pub async fn a_missing_delivery_is_retried_without_its_replay(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    scene.publish().await;
    let webhook = scene.webhook().await;
    let id = scene.begin(scene.all_missing(webhook).await).await;
    scene.step(id).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.automatic_attempts), (Trigger::Automatic, 1));
    assert_eq!(scene.step(id).await.ended, 0, "it is in flight");
    scene.settle_held(&leased, Settled::Interrupted).await;
    assert_eq!(scene.step(id).await.ended, 0, "the attempt does not count");
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::RetryAfter(MINUTE)).await;
    let step = scene.step(id).await;
    assert_eq!(step.ended, 1);
    assert!(matches!(step.state, ReplayState::Completed { .. }));
    let replay = scene.replay(id).await;
    assert_eq!((replay.succeeded, replay.failed, replay.waiting), (0, 1, 0));
    scene.advance(HOUR).await;
    scene.settle_held(&scene.claim_one(webhook).await, Settled::Succeeded).await;
    assert_eq!(scene.status(leased.lease.delivery).await, DeliveryStatus::Succeeded);
}

/// A step skips a bounded number of events, and leaves the rest to the next step.
pub async fn a_step_looks_at_so_many_events_only(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut events = Vec::with_capacity(EVENT_SCAN_LIMIT as usize + 1);
    let since = scene.now().await;
    for n in 0..=EVENT_SCAN_LIMIT {
        let at = since + Duration::from_millis(n.into());
        events.push(samples::event(&scene.entropy, at));
    }
    let last = events.last_mut().unwrap();
    last.project = Some("a".parse().unwrap());
    let wanted = last.id;
    for batch in events.chunks(1_000) {
        scene.events.publish(batch).await.unwrap();
    }
    let mut webhook = scene.new_webhook().await;
    webhook.settings.projects = samples::projects(["a"]);
    scene.create(&webhook).await;
    let selection = ReplaySelection {
        since: Timestamp::EPOCH,
        until: since + HOUR,
        ..scene.all_missing(webhook.id).await
    };
    let id = scene.begin(selection).await;
    assert_eq!(scene.replay(id).await.matched.deliveries, 1);
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.scanned, step.state), (0, true, ReplayState::Running));
    assert_eq!(scene.replay(id).await.scan_cursor, Some(events[EVENT_SCAN_LIMIT as usize - 1].id.as_uuid()));
    assert_eq!(scene.step(id).await.queued, 1);
    assert_eq!(scene.send(webhook.id, Settled::Succeeded).await, [wanted]);
    assert!(matches!(scene.step(id).await.state, ReplayState::Completed { .. }));
}
