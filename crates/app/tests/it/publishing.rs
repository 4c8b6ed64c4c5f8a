//! Publishing: durable before the answer, many callers to a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use rdev_webhooks_app::{Ambient, Catalogue, EventDraft, PublishError, Publisher};
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, Published};
use tokio::sync::Semaphore;

use crate::support::draft;

/// A store that commits when it is allowed to, and counts its commits.
struct Gated {
    gate: Semaphore,
    commits: AtomicUsize,
    failing: bool,
}

#[async_trait]
impl EventRepository for Gated {
    async fn publish(&self, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        self.commits.fetch_add(1, Ordering::Relaxed);
        if self.failing {
            return Err(StoreError::Unavailable("failing by the test".into()));
        }
        Ok(events.iter().map(|event| Published { id: event.id, deliveries: 0, duplicate: false }).collect())
    }

    async fn get(&self, _: EventId) -> Result<Option<EventRecord>, StoreError> {
        Ok(None)
    }

    async fn list(&self, _: &EventFilter, _: PageRequest<EventId>) -> Result<Page<EventRecord>, StoreError> {
        Ok(Page { items: Vec::new(), has_more: false })
    }
}

fn gated(failing: bool) -> (Arc<Gated>, Publisher, tokio::task::JoinHandle<()>) {
    let store = Arc::new(Gated { gate: Semaphore::new(0), commits: AtomicUsize::new(0), failing });
    let (publisher, task) = Publisher::new(store.clone(), Ambient::system(), Catalogue);
    (store, publisher, tokio::spawn(task.run()))
}

#[tokio::test]
async fn callers_that_come_during_a_commit_share_the_next() {
    let (store, publisher, task) = gated(false);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let publisher = publisher.clone();
            tokio::spawn(async move { publisher.publish(draft()).await.unwrap().id })
        })
        .collect();
    // Every call is on its way and the first commit waits at the gate.
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    store.gate.add_permits(100);
    let mut ids = std::collections::HashSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 100, "each caller is answered for its own event");
    assert!(store.commits.load(Ordering::Relaxed) <= 2, "{:?}", store.commits);
    drop(publisher);
    task.await.unwrap();
}

#[tokio::test]
async fn a_failed_commit_is_told_to_every_caller() {
    let (store, publisher, _task) = gated(true);
    store.gate.add_permits(10);
    let (one, other) = tokio::join!(publisher.publish(draft()), publisher.publish(draft()));
    for failed in [one, other] {
        assert!(matches!(failed, Err(PublishError::Store(_))));
    }
}

#[tokio::test]
async fn what_waits_is_bounded() {
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
    assert!(busy > 5_000, "{busy} were turned away");
}

#[tokio::test]
async fn an_unknown_type_is_not_stored() {
    let (store, publisher, _task) = gated(false);
    for name in ["command.exploded", "webhook.test"] {
        let draft = EventDraft { event_type: name.parse().unwrap(), ..draft() };
        assert!(matches!(publisher.publish(draft).await, Err(PublishError::UnknownEventType(_))), "{name}");
    }
    assert_eq!(store.commits.load(Ordering::Relaxed), 0);
}
