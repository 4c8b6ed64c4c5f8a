//! Tests of `StatisticsRepository`.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::statistics::{Backlog, Bucket, Counters, Statistics, StatisticsWindow};
use rdev_webhooks_domain::{
    Access, Attempt, AttemptOutcome, DeliveryId, DeliveryStatus, FailureClass, HealthEffect, LeaseRef,
    NewEvent, Settled, Settlement, Target, WebhookId,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, HOUR, MINUTE, Scene, assert_near};
use crate::samples;

impl Scene<'_> {
    async fn statistics(&self, webhook: WebhookId, window: &str) -> Statistics {
        let window: StatisticsWindow = window.parse().unwrap();
        self.harness.statistics().read(Access::everything(), webhook, window, None).await.unwrap()
    }

    async fn add(&self, webhook: WebhookId, sums: &Counters) {
        self.harness.statistics().add(&[(webhook, sums.clone())]).await.unwrap();
    }

    /// Returns sums with a value in each field.
    async fn sums(&self) -> Counters {
        let now = self.now().await;
        let mut sums = Counters { cancelled: 3, ..Counters::default() };
        let settled = [Settled::Succeeded, Settled::Succeeded, Settled::RetryAfter(Duration::ZERO)];
        for (settled, millis) in settled.into_iter().zip([1, 20, 900]) {
            let attempt = Attempt {
                duration: Duration::from_millis(millis),
                outcome: match settled {
                    Settled::Succeeded => samples::attempt(1, now, 200).outcome,
                    _ => AttemptOutcome::failed(FailureClass::Abandoned, "the last of the classes"),
                },
                ..samples::attempt(2, now, 200)
            };
            sums.settled(&Settlement {
                lease: LeaseRef { delivery: DeliveryId::floor(now), token: samples::token(&self.entropy) },
                settled,
                attempt: Some(attempt),
                gone: None,
                health: HealthEffect::None,
            });
        }
        sums
    }
}

/// Added sums read back exactly, field by field, separately for each webhook.
pub async fn sums_add_up_and_are_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, other) = (scene.webhook().await, scene.webhook().await);
    let nothing = scene.statistics(one, "24h").await;
    assert_eq!((nothing.sums, nothing.backlog), (Counters::default(), Backlog::default()));
    assert_near(nothing.span.until, scene.now().await);

    let sums = scene.sums().await;
    let more = Counters { failed: 7, ..Counters::default() };
    harness.statistics().add(&[]).await.unwrap();
    harness.statistics().add(&[(other, more.clone()), (one, sums.clone())]).await.unwrap();
    assert_eq!(scene.statistics(one, "24h").await.sums, sums);
    scene.add(one, &more).await;
    scene.add(one, &sums).await;
    let mut all = sums.clone();
    all.add(&more);
    all.add(&sums);
    for window in ["24h", "30d"] {
        assert_eq!(scene.statistics(one, window).await.sums, all, "{window}");
        assert_eq!(scene.statistics(other, window).await.sums, more, "{window}");
    }
}

/// Concurrent additions all count.
pub async fn sums_that_are_added_at_once_all_count(harness: &dyn Harness) {
    const ADDERS: u64 = 8;
    let scene = Scene::new(harness);
    let webhooks = [scene.webhook().await, scene.webhook().await, scene.webhook().await];
    let sums = scene.sums().await;
    let start = Arc::new(Barrier::new(8));
    let mut adders = JoinSet::new();
    for adder in 0..ADDERS {
        let (statistics, start) = (harness.statistics(), Arc::clone(&start));
        let mut batch: Vec<_> = webhooks.iter().map(|id| (*id, sums.clone())).collect();
        if adder % 2 == 0 {
            batch.reverse();
        }
        adders.spawn(async move {
            start.wait().await;
            for _ in 0..5 {
                statistics.add(&batch).await.unwrap();
            }
        });
    }
    adders.join_all().await;
    for webhook in webhooks {
        let read = scene.statistics(webhook, "24h").await.sums;
        assert_eq!(read.succeeded, 5 * ADDERS * sums.succeeded);
        assert_eq!(read.latency.total(), 5 * ADDERS * sums.latency.total());
        assert_eq!(read.attempts.total(), 5 * ADDERS * sums.attempts.total());
    }
}

/// A window contains what was recorded since its start, to within a bucket, and nothing from before a bound.
pub async fn statistics_cover_their_window(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let sum = |succeeded| Counters { succeeded, ..Counters::default() };
    scene.add(webhook, &sum(1)).await;
    scene.advance(3 * DAY).await;
    scene.add(webhook, &sum(10)).await;
    scene.advance(3 * HOUR).await;
    scene.add(webhook, &sum(100)).await;
    let bound = scene.now().await;
    scene.advance(20 * MINUTE).await;
    scene.add(webhook, &sum(1_000)).await;

    for (window, expected) in [("5m", 1_000), ("1h", 1_100), ("24h", 1_110), ("48h", 1_110), ("7d", 1_111)] {
        let read = scene.statistics(webhook, window).await;
        assert_eq!(read.sums.succeeded, expected, "{window}");
        let length = window.parse::<StatisticsWindow>().unwrap().as_duration();
        let span = read.span.until.since(read.span.since);
        let bucket = Duration::from_secs(read.span.bucket.seconds().into());
        assert!(length <= span && span < length + bucket, "{window}: {span:?}");
    }
    let day = StatisticsWindow::DAY;
    let read = harness.statistics().read(Access::everything(), webhook, day, Some(bound)).await.unwrap();
    assert_eq!(read.sums.succeeded, 1_000);
    assert!(read.span.since > bound);
}

/// The deliveries that ended are reported by bucket, in the order of time.
pub async fn statistics_have_a_course(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, other) = (scene.webhook().await, scene.webhook().await);
    let sum = |succeeded, failed| Counters { succeeded, failed, ..Counters::default() };
    assert!(scene.statistics(webhook, "1h").await.course.is_empty());
    scene.add(webhook, &sum(1, 2)).await;
    scene.add(other, &sum(7, 7)).await;
    let begun = scene.now().await;
    scene.advance(20 * MINUTE).await;
    scene.add(webhook, &sum(10, 0)).await;
    scene.advance(3 * HOUR).await;
    scene.add(webhook, &sum(0, 5)).await;
    let read = scene.statistics(webhook, "24h").await;
    let counts: Vec<_> = read.course.iter().map(|tally| (tally.succeeded, tally.failed)).collect();
    assert_eq!(counts, [(1, 2), (10, 0), (0, 5)]);
    let moments: Vec<_> = read.course.iter().map(|tally| tally.since).collect();
    assert!(moments.is_sorted() && read.span.since <= moments[0] && moments[2] <= read.span.until);
    assert_eq!(moments.iter().map(|at| read.span.bucket.begin(*at)).collect::<Vec<_>>(), moments);
    assert!(begun.since(moments[0]) < Duration::from_secs(read.span.bucket.seconds().into()) + MINUTE);
    assert_eq!(scene.statistics(webhook, "1h").await.course.len(), 1);
}

/// Unfinished deliveries count in any state, and the oldest is reported. For a project-scoped caller only
/// those of its projects count.
pub async fn statistics_tell_of_what_is_unfinished(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.delivery_in(DeliveryStatus::Succeeded, webhook).await;
    let oldest = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    scene.delivery_in(DeliveryStatus::InFlight, webhook).await;
    scene.delivery_in(DeliveryStatus::Pending, webhook).await;
    let of_project = NewEvent {
        project: Some("one".parse().unwrap()),
        target: Target::Webhook(webhook),
        ..scene.new_event().await
    };
    let id = DeliveryId::derive(scene.publish_one(&of_project).await.id, webhook);
    scene.publish_to(scene.webhook().await).await;

    let backlog = scene.statistics(webhook, "1h").await.backlog;
    assert_eq!(backlog, Backlog { count: 4, has_more: false, oldest: Some(oldest) });
    for (projects, expected) in [
        (samples::projects(["one", "two"]), Backlog { count: 1, has_more: false, oldest: Some(id) }),
        (samples::projects(["two"]), Backlog::default()),
    ] {
        let day = StatisticsWindow::DAY;
        let access = samples::access(projects);
        let read = harness.statistics().read(&access, webhook, day, None).await.unwrap();
        assert_eq!(read.backlog, expected, "{access:?}");
    }
}

/// Counters older than the limit are removed. Of newer sums, the fine buckets are removed after two days.
pub async fn old_statistics_are_removed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let sum = |succeeded| Counters { succeeded, ..Counters::default() };
    scene.add(webhook, &sum(1)).await;
    scene.advance(10 * DAY).await;
    scene.add(webhook, &sum(10)).await;
    scene.advance(3 * DAY).await;
    scene.add(webhook, &sum(100)).await;
    scene.advance(20 * HOUR).await;

    harness.statistics().forget(5 * DAY).await.unwrap();
    harness.statistics().forget(5 * DAY).await.unwrap();
    assert_eq!(scene.statistics(webhook, "30d").await.sums.succeeded, 110);
    assert_eq!(scene.statistics(webhook, "24h").await.sums.succeeded, 100);
    scene.advance(Bucket::KEEP_FINE).await;
    harness.statistics().forget(Duration::ZERO).await.unwrap();
    assert_eq!(scene.statistics(webhook, "30d").await.sums, Counters::default());
}
