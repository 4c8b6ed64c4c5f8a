//! Publishing: durable before the answer, many callers per commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_app::Ambient;
use rdev_webhooks_app::{
    EventDraft, EventTypeRegistry, MAX_EVENT_DELIVERIES, MAX_EVENTS, PublishError, Publisher, TooLarge,
};
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, PublishOutcome,
    Published,
};
use rdev_webhooks_testkit::MemoryStore;
use tokio::sync::Semaphore;

use crate::support::draft;

/// A store that commits when the test permits, and counts its commits.
struct Gated {
    gate: Semaphore,
    commits: AtomicUsize,
    /// Number of events in the largest commit.
    largest: AtomicUsize,
    /// Number of begun commits.
    begun: AtomicUsize,
    failing: bool,
    /// Number of deliveries that each event creates.
    fan_out: u32,
}

#[async_trait]
impl EventRepository for Gated {
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.unwrap().forget();
        let counts = vec![self.fan_out; events.len()];
        if counts.iter().sum::<u32>() > max_deliveries {
            return Ok(PublishOutcome::TooLarge(counts));
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(events.len(), Ordering::Relaxed);
        if self.failing {
            return Err(StoreError::Unavailable("failing by the test".into()));
        }
        let published = events.iter().map(|event| Published {
            id: event.id,
            deliveries: self.fan_out,
            visible_deliveries: self.fan_out,
            duplicate: false,
        });
        Ok(PublishOutcome::Stored(published.collect()))
    }

    async fn get(&self, _: &Access, _: EventId) -> Result<Option<EventRecord>, StoreError> {
        Ok(None)
    }

    async fn list(
        &self,
        _: &Access,
        _: &EventFilter,
        _: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        Ok(Page::of(Vec::new(), 1))
    }

    async fn count_deliveries(
        &self,
        _: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        Ok(vec![DeliveryCounts::default(); events.len()])
    }
}

fn gated(failing: bool) -> (Arc<Gated>, Publisher, tokio::task::JoinHandle<()>) {
    gated_with(failing, 1)
}

fn gated_with(failing: bool, fan_out: u32) -> (Arc<Gated>, Publisher, tokio::task::JoinHandle<()>) {
    let store = Arc::new(Gated {
        gate: Semaphore::new(0),
        commits: AtomicUsize::new(0),
        largest: AtomicUsize::new(0),
        begun: AtomicUsize::new(0),
        failing,
        fan_out,
    });
    let ambient = Ambient::system();
    let types = Arc::new(MemoryStore::new(ambient.clock.clone()));
    let event_types = EventTypeRegistry::new(types, ambient.clone());
    let (publisher, task) = Publisher::new(store.clone(), ambient, event_types);
    (store, publisher, tokio::spawn(task.run()))
}

#[tokio::test]
async fn calls_during_a_commit_share_the_next_commit() {
    let (store, publisher, task) = gated(false);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(draft()).await.unwrap().id })
        })
        .collect();
    // Every call is waiting, and the first commit waits at the gate.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    store.gate.add_permits(100);
    let mut ids = std::collections::HashSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 100, "each caller gets the id of its own event");
    assert!(store.commits.load(Ordering::Relaxed) <= 2, "{:?}", store.commits);
    drop(publisher);
    task.await.unwrap();
}

#[tokio::test]
async fn at_most_two_commits_run_at_once() {
    let (store, publisher, task) = gated(false);
    let mut calls = Vec::new();
    for begun in [1, 2, 2, 2] {
        let publisher = publisher.clone();
        calls.push(tokio::spawn(async move { publisher.publish(draft()).await.unwrap().id }));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.begun.load(Ordering::Relaxed), begun);
    }
    store.gate.add_permits(4);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(store.begun.load(Ordering::Relaxed), 3, "the two waiting calls share a commit");
    drop(publisher);
    task.await.unwrap();
}

/// Returns the size of the largest commit of 400 concurrent callers, after a single one.
async fn largest_after_one(failing: bool, fan_out: u32) -> usize {
    let (store, publisher, task) = gated_with(failing, fan_out);
    store.gate.add_permits(10_000);
    let _ = publisher.publish(draft()).await;
    let calls: Vec<_> = (0..400)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(draft()).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().is_err(), failing);
    }
    drop(publisher);
    task.await.unwrap();
    store.largest.load(Ordering::Relaxed)
}

#[tokio::test]
async fn commits_are_as_large_as_the_database_can_store_in_time() {
    assert_eq!(largest_after_one(false, 1).await, 400);
    // A thousand webhooks receive each event.
    assert_eq!(largest_after_one(false, 1_000).await, 1);
    assert_eq!(largest_after_one(true, 1).await, 1);
}

#[tokio::test]
async fn a_failed_commit_fails_every_call() {
    let (store, publisher, _task) = gated(true);
    store.gate.add_permits(10);
    let (one, other) = tokio::join!(publisher.publish(draft()), publisher.publish(draft()));
    for failed in [one, other] {
        assert!(matches!(failed, Err(PublishError::Store(_))));
    }
}

#[tokio::test]
async fn the_number_of_waiting_calls_is_bounded() {
    let (_store, publisher, _task) = gated(false);
    let mut waiting = Vec::new();
    for _ in 0..10_000 {
        let publisher = publisher.clone();
        waiting.push(tokio::spawn(async move { publisher.publish(draft()).await }));
        tokio::task::yield_now().await;
    }
    let mut busy = 0;
    for call in waiting {
        if call.is_finished() {
            assert!(matches!(call.await.unwrap(), Err(PublishError::Busy)));
            busy += 1;
        } else {
            call.abort();
        }
    }
    assert!(busy > 5_000, "{busy} calls were rejected");
}

#[tokio::test]
async fn the_events_of_a_call_are_stored_together() {
    let (store, publisher, _task) = gated(false);
    store.gate.add_permits(1);
    let published = publisher.publish_all(vec![draft(); MAX_EVENTS]).await.unwrap();
    assert_eq!(published.len(), MAX_EVENTS);
    assert_eq!(store.commits.load(Ordering::Relaxed), 1);
    assert_eq!(publisher.publish_all(Vec::new()).await.unwrap(), []);

    let one_too_many = publisher.publish_all(vec![draft(); MAX_EVENTS + 1]).await;
    assert!(matches!(one_too_many, Err(PublishError::TooMany(1_001))), "{one_too_many:?}");
    let unknown = EventDraft { event_type: "command.exploded".parse().unwrap(), ..draft() };
    let one_unknown = publisher.publish_all(vec![draft(), unknown]).await;
    assert!(matches!(one_unknown, Err(PublishError::Invalid(_))), "{one_unknown:?}");
    assert_eq!(store.commits.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn many_waiting_batches_do_not_share_one_commit() {
    let (store, publisher, _task) = gated(false);
    let large = EventDraft { data: format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)), ..draft() };
    let calls: Vec<_> = [(300, draft()), (300, draft()), (200, draft()), (6, large.clone()), (6, large)]
        .into_iter()
        .map(|(count, draft)| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish_all(vec![draft; count]).await.unwrap().len() })
        })
        .collect();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    store.gate.add_permits(100);
    let mut answered = Vec::new();
    for call in calls {
        answered.push(call.await.unwrap());
    }
    assert_eq!(answered, [300, 300, 200, 6, 6]);
    // 300; 300, 200 and 6; 6, which would exceed 8 MiB together with the batches before.
    assert_eq!(store.commits.load(Ordering::Relaxed), 3);
    assert_eq!(store.largest.load(Ordering::Relaxed), 506);
}

#[tokio::test]
async fn an_unknown_type_is_not_stored() {
    let (store, publisher, _task) = gated(false);
    for name in ["command.exploded", "webhook.test"] {
        let draft = EventDraft { event_type: name.parse().unwrap(), ..draft() };
        assert!(matches!(publisher.publish(draft).await, Err(PublishError::Invalid(_))), "{name}");
    }
    assert_eq!(store.commits.load(Ordering::Relaxed), 0);
}

/// Waits until `count` commits have begun.
async fn begun(store: &Gated, count: usize) {
    for _ in 0..1_000 {
        if store.begun.load(Ordering::Relaxed) == count {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{:?} commits have begun, not {count}", store.begun);
}

#[tokio::test]
async fn a_batch_with_too_many_deliveries_is_rejected_with_the_number_that_fits() {
    let (store, publisher, _task) = gated_with(false, 1_000);
    store.gate.add_permits(100);
    let refused = publisher.publish_all(vec![draft(); MAX_EVENTS]).await;
    let Err(PublishError::TooLarge(too_large)) = refused else { panic!("{refused:?}") };
    let expected = TooLarge { events: 1_000, deliveries: 1_000_000, limit: 2_500, events_within: 2 };
    assert_eq!(too_large, expected);
    let text = too_large.to_string();
    assert!(["1000000", "1000 events", "2500", "first 2"].iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(store.commits.load(Ordering::Relaxed), 0);
    assert_eq!(publisher.publish_all(vec![draft(); 2]).await.unwrap().len(), 2);
    assert_eq!(store.commits.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_single_event_may_create_many_deliveries() {
    let (store, publisher, _task) = gated_with(false, MAX_EVENT_DELIVERIES);
    store.gate.add_permits(100);
    assert_eq!(publisher.publish(draft()).await.unwrap().deliveries, MAX_EVENT_DELIVERIES);
    let batch = publisher.publish_all(vec![draft(); 2]).await;
    assert!(matches!(batch, Err(PublishError::TooLarge(TooLarge { events_within: 0, .. }))), "{batch:?}");
    let (store, publisher, _task) = gated_with(false, MAX_EVENT_DELIVERIES + 1);
    store.gate.add_permits(100);
    let refused = publisher.publish(draft()).await;
    assert!(matches!(refused, Err(PublishError::TooLarge(TooLarge { events: 1, .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_large_call_leaves_the_common_lanes_free() {
    let (store, publisher, _task) = gated_with(false, 1_000);
    let large = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.publish_all(vec![draft(); 2]).await.unwrap().len() }
    });
    begun(&store, 1).await;
    // The common lane rejects the call, and it begins in the lane for large calls.
    store.gate.add_permits(1);
    begun(&store, 2).await;
    let small: Vec<_> = (3..5)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(draft()).await.unwrap() })
        })
        .collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(store.begun.load(Ordering::Relaxed) > 2, "other calls begin meanwhile");
    store.gate.add_permits(100);
    assert_eq!(large.await.unwrap(), 2);
    for call in small {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_lane_for_large_calls_rests_after_each() {
    let (store, publisher, _task) = gated_with(false, 1_000);
    let publish_large = || {
        let publisher = publisher.clone();
        tokio::spawn(async move { publisher.publish_all(vec![draft(); 2]).await.unwrap().len() })
    };
    let first = publish_large();
    begun(&store, 1).await;
    // The common lane rejects the call, and it begins in the lane for large calls.
    store.gate.add_permits(1);
    begun(&store, 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = publish_large();
    begun(&store, 3).await;
    store.gate.add_permits(2);
    assert_eq!(first.await.unwrap(), 2);
    tokio::time::sleep(Duration::from_millis(198)).await;
    assert_eq!(
        store.begun.load(Ordering::Relaxed),
        3,
        "the lane rests for twice as long as the first call took"
    );
    tokio::time::sleep(Duration::from_millis(4)).await;
    assert_eq!(store.begun.load(Ordering::Relaxed), 4);
    store.gate.add_permits(1);
    assert_eq!(second.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_many_deliveries_is_followed_by_a_pause() {
    // As long as the commit, for half of the deliveries after which it is twice as long.
    for (fan_out, pause_ms) in [(256, 100), (16, 6), (0, 0)] {
        let (store, publisher, _task) = gated_with(false, fan_out);
        let publish = || {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(draft()).await.unwrap() })
        };
        let first = publish();
        begun(&store, 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.gate.add_permits(1);
        first.await.unwrap();
        let ended = tokio::time::Instant::now();
        let others = [publish(), publish()];
        while store.begun.load(Ordering::Relaxed) == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let paused = u64::try_from(ended.elapsed().as_millis()).unwrap();
        assert!((pause_ms..=pause_ms + 2).contains(&paused), "{paused} ms after {fan_out} deliveries");
        store.gate.add_permits(2);
        for other in others {
            other.await.unwrap();
        }
        if pause_ms > 0 {
            assert_eq!(store.commits.load(Ordering::Relaxed), 2, "calls of the pause share a commit");
        }
    }
}

#[tokio::test]
async fn calls_that_are_too_large_together_are_split() {
    let (store, publisher, task) = gated_with(false, 250);
    store.gate.add_permits(10_000);
    let calls: Vec<_> = [1, 2, 1, 10, 2, 1, 11, 2, 1]
        .map(|count| {
            let publisher = publisher.clone();
            tokio::spawn(
                async move { publisher.publish_all(vec![draft(); count]).await.map(|all| all.len()) },
            )
        })
        .into();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().ok());
    }
    assert_eq!(answers, [Some(1), Some(2), Some(1), Some(10), Some(2), Some(1), None, Some(2), Some(1)]);
    assert!(store.largest.load(Ordering::Relaxed) <= 10);
    drop(publisher);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_before_its_commit_begins_is_not_stored() {
    let (store, publisher, task) = gated(false);
    let publish = || {
        let publisher = publisher.clone();
        tokio::spawn(async move { publisher.publish(draft()).await })
    };
    let first = publish();
    begun(&store, 1).await;
    let second = publish();
    begun(&store, 2).await;
    // Both lanes are busy: one caller gives up, and one waits too long.
    let (gone, late) = (publish(), publish());
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    tokio::time::advance(std::time::Duration::from_secs(9)).await;
    store.gate.add_permits(100);
    assert!(
        first.await.unwrap().is_ok() && second.await.unwrap().is_ok(),
        "a commit that has begun is awaited"
    );
    assert!(matches!(late.await.unwrap(), Err(PublishError::Busy)));
    assert_eq!(store.commits.load(Ordering::Relaxed), 2);
    drop(publisher);
    task.await.unwrap();
    assert_eq!(store.begun.load(Ordering::Relaxed), 2);
}
