//! Tests of `DeliveryFeed`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::feed::{ChangePoint, Changes};
use rdev_webhooks_domain::{
    Access, DeliveryId, DeliveryStatus, FailureReason, NewEvent, Settled, Target, Timestamp, Trigger,
};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, MINUTE, Scene};
use crate::samples;

const BEGINNING: Timestamp = Timestamp::EPOCH;

impl Scene<'_> {
    async fn changed(&self, after: ChangePoint, limit: u32) -> Changes {
        self.harness.feed().changed(after, limit).await.unwrap()
    }

    /// Returns the deliveries that have changed since a moment, in order.
    async fn changed_since(&self, at: Timestamp) -> Vec<DeliveryId> {
        let changes = self.changed(ChangePoint::before(at), 1_000).await;
        assert!(!changes.has_more);
        assert!(changes.points.windows(2).all(|pair| pair[0] < pair[1]), "in order: {:?}", changes.points);
        changes.points.into_iter().map(|point| point.delivery).collect()
    }
}

/// Unfinished deliveries are reported in pages, in the order of their ids. Finished ones are not reported.
pub async fn the_feed_tells_what_was_accepted(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, feed) = (scene.webhook().await, harness.feed());
    let floor = DeliveryId::floor(BEGINNING);
    assert_eq!(feed.accepted(floor, 10).await.unwrap(), []);
    scene.delivery_in(DeliveryStatus::Succeeded, webhook).await;
    let retrying = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    let in_flight = scene.delivery_in(DeliveryStatus::InFlight, webhook).await;
    let pending = scene.publish_to(webhook).await;
    let mut all = [retrying, in_flight, pending];
    all.sort_unstable();
    assert_eq!(feed.accepted(floor, 10).await.unwrap(), all);
    assert_eq!(feed.accepted(floor, 2).await.unwrap(), all[..2]);
    assert_eq!(feed.accepted(all[1], 2).await.unwrap(), all[2..]);
}

/// Every end and every failure is reported, in the order of recording.
pub async fn the_feed_tells_what_ended_or_failed_in_order(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let step = || scene.advance(MINUTE);
    let one = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!(scene.changed_since(BEGINNING).await, [], "nothing has ended, nothing has failed");
    scene.settle_held(&leased, Settled::RetryAfter(MINUTE * 60)).await;
    step().await;
    let two = scene.delivery_in(DeliveryStatus::Succeeded, webhook).await;
    step().await;
    let three = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    assert_eq!(scene.changed_since(BEGINNING).await, [one, two, three]);

    scene.advance(MINUTE * 60).await;
    let since = scene.now().await - MINUTE;
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Failed(FailureReason::AttemptsExhausted)).await;
    assert_eq!(scene.changed_since(since).await, [one]);
    step().await;
    scene.publish_to(webhook).await;
    step().await;
    let since = scene.now().await - MINUTE / 2;
    let other = scene.webhook().await;
    let cancelled = scene.delivery_in(DeliveryStatus::Cancelled, other).await;
    assert_eq!(scene.changed_since(since).await, [cancelled]);
}

/// A finished delivery that a redelivery or a replay puts back is reported until it has ended again. A retry
/// that is brought forward is not put back.
pub async fn the_feed_tells_what_was_put_back(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let one = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    let two = scene.delivery_in(DeliveryStatus::Succeeded, webhook).await;
    let three = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    let retrying = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    scene.advance(MINUTE * 2).await;
    let since = scene.now().await - MINUTE;
    let redeliver = async |id| {
        scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap().unwrap();
    };
    redeliver(retrying).await;
    assert_eq!(scene.changed_since(since).await, []);
    redeliver(two).await;
    assert_eq!(scene.changed_since(since).await, [two]);
    scene.advance(MINUTE).await;
    let failed = scene.all_failed(webhook).await;
    let replay = scene.begin(failed).await;
    assert_eq!(scene.replays.advance(replay).await.unwrap().unwrap().queued, 2);
    let reported = scene.changed_since(since).await;
    assert_eq!((reported.len(), reported[0]), (3, two));
    assert!(reported.contains(&one) && reported.contains(&three), "{reported:?}");
    let page = scene.changed(ChangePoint::before(since), 2).await;
    assert!(page.has_more);
    assert_eq!(page.points.iter().map(|point| point.delivery).collect::<Vec<_>>(), reported[..2]);

    // This holds however long it takes and whatever is pruned meanwhile.
    scene.advance(MINUTE * 60 * 24).await;
    scene.history.prune(30 * DAY).await.unwrap();
    assert_eq!(scene.changed_since(since).await, reported);
    let again = scene.now().await - MINUTE;
    let mut ended = Vec::new();
    for leased in scene.claim(webhook, 10).await {
        if leased.lease.delivery != retrying {
            ended.push(leased.lease.delivery);
            scene.settle_held(&leased, Settled::Succeeded).await;
            scene.advance(MINUTE).await;
        }
    }
    assert_eq!(ended.len(), 3);
    scene.history.prune(30 * DAY).await.unwrap();
    assert_eq!(
        scene.changed_since(since).await,
        ended,
        "a delivery that has ended again is reported only as ended"
    );
    assert_eq!(scene.changed_since(again).await, ended);
}

/// Pages follow each other without gaps, however many changes were recorded at once.
pub async fn the_feed_is_paged(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for _ in 0..7 {
        scene.publish().await;
    }
    let mut batch = Vec::new();
    for leased in scene.claim(webhook, 7).await {
        batch.push(scene.settlement(&leased, Settled::Succeeded).await);
    }
    assert_eq!(scene.queue.settle(&batch).await.unwrap(), [true; 7]);
    let mut seen = Vec::new();
    let mut after = ChangePoint::before(BEGINNING);
    loop {
        let page = scene.changed(after, 3).await;
        seen.extend(page.points.iter().map(|point| point.delivery));
        assert!(page.points.len() <= 3);
        match page.points.last().filter(|_| page.has_more) {
            Some(last) => after = *last,
            None => break,
        }
    }
    let all: BTreeSet<_> = batch.iter().map(|one| one.lease.delivery).collect();
    assert_eq!(seen.len(), 7);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
}

/// A reader that continues from one complete moment to the next sees every end, while many record
/// concurrently.
pub async fn the_feed_misses_nothing_that_is_recorded_meanwhile(harness: &dyn Harness) {
    const SETTLERS: u32 = 4;
    const EACH: u32 = 25;
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for _ in 0..SETTLERS * EACH {
        scene.publish().await;
    }
    let mut settlers = JoinSet::new();
    for _ in 0..SETTLERS {
        let queue = harness.queue();
        let mut batches = Vec::new();
        for leased in scene.claim(webhook, EACH).await {
            batches.push(scene.settlement(&leased, Settled::Succeeded).await);
        }
        settlers.spawn(async move {
            for settlement in batches {
                assert_eq!(queue.settle(&[settlement]).await.unwrap(), [true]);
            }
        });
    }
    let done = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&done);
    let settling = tokio::spawn(async move {
        settlers.join_all().await;
        ended.store(true, Ordering::Release);
    });
    // Each read begins where the previous one was complete, and remembers only what it saw from there.
    let mut seen = BTreeSet::new();
    let mut from = BEGINNING;
    loop {
        let was_done = done.load(Ordering::Acquire);
        let changes = scene.changed(ChangePoint::before(from), 1_000).await;
        assert!(!changes.has_more);
        seen.extend(changes.points.iter().map(|point| point.delivery));
        from = from.max(changes.complete_until);
        if was_done {
            break;
        }
    }
    settling.await.unwrap();
    assert_eq!(seen.len(), (SETTLERS * EACH) as usize);
    let late = scene.now().await.since(from);
    assert!(late < Duration::from_secs(20), "the complete moment is too far behind: {late:?}");
}

/// A delivery is reported in its current state, with the projects of its webhook. A missing delivery is not
/// reported.
pub async fn the_feed_tells_whose_a_delivery_is(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, deleted) = (scene.webhook().await, scene.webhook().await);
    let projects = samples::projects(["one", "two"]);
    scene.change(webhook, |webhook| webhook.settings.projects.clone_from(&projects)).await;
    let event = NewEvent {
        project: Some("one".parse().unwrap()),
        target: Target::Webhook(webhook),
        ..scene.new_event().await
    };
    let pending = DeliveryId::derive(scene.publish_one(&event).await.id, webhook);
    let cancelled = scene.delivery_in(DeliveryStatus::Cancelled, deleted).await;
    let all = scene.webhook().await;
    let of_all = scene.delivery_in(DeliveryStatus::Succeeded, all).await;
    let unknown = DeliveryId::derive(event.id, all);

    let reported = harness.feed().present(&[pending, unknown, cancelled, of_all]).await.unwrap();
    assert_eq!(reported.len(), 3);
    for (id, expected) in [(pending, Some(projects)), (cancelled, None), (of_all, Some(BTreeSet::new()))] {
        let one = reported.iter().find(|one| one.delivery.id == id).unwrap();
        assert_eq!(one.delivery, scene.delivery(id).await);
        assert_eq!(one.webhook_projects, expected);
    }
    assert_eq!(harness.feed().present(&[]).await.unwrap(), []);
}
