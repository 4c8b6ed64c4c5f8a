//! Tests of `EventFeed`.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, EventPosition, MAX_PAGE_BYTES, MAX_SCANNED,
};
use rdev_webhooks_domain::{Access, EventId, NewEvent};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, Scene};
use crate::{eventually, samples};

impl Scene<'_> {
    async fn read_feed(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> EventFeedPage {
        match self.harness.event_feed().read(access, filter, after, limit).await.unwrap() {
            EventFeedRead::Page(page) => page,
            other => panic!("the feed cannot be read: {other:?}"),
        }
    }

    /// Waits until the feed shows an event: transactions elsewhere on the server may hold it back.
    pub(super) async fn await_feed(&self, event: EventId) {
        let mut after = None;
        let is_shown = async || {
            let page = self.read_feed(Access::everything(), &everything(), after, 1_000).await;
            after = Some(page.next);
            page.events.iter().any(|one| one.event.id == event).then_some(())
        };
        eventually("an event in the feed", is_shown).await;
    }

    /// Reads the feed to its end, in pages of `limit`.
    pub(super) async fn whole_feed(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        limit: u32,
    ) -> Vec<EventId> {
        let (mut after, mut ids) = (None, Vec::new());
        loop {
            let page = self.read_feed(access, filter, after, limit).await;
            assert!(page.events.len() <= limit as usize);
            ids.extend(page.events.iter().map(|one| one.event.id));
            if !page.has_more {
                return ids;
            }
            assert_ne!(after, Some(page.next), "a page that is not the last makes progress");
            after = Some(page.next);
        }
    }
}

fn everything() -> EventFeedFilter {
    EventFeedFilter::default()
}

/// An empty feed has a cursor to go on from. Events appear once, in one order, whole, and however they are paged.
pub async fn the_event_feed_has_one_order(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let empty = scene.read_feed(Access::everything(), &everything(), None, 10).await;
    assert!(empty.events.is_empty() && !empty.has_more);
    // Their ids are in another order than their commits.
    let (late, early) = (scene.new_event().await, scene.new_event().await);
    scene.publish_one(&early).await;
    scene.publish_one(&late).await;
    let batch = [scene.new_event().await, scene.new_event().await, scene.new_event().await];
    scene.events.publish(&batch).await.unwrap();
    for event in &batch {
        scene.await_feed(event.id).await;
    }
    let expected: Vec<_> = [&early, &late].into_iter().chain(&batch).map(|event| event.id).collect();
    let page = scene.read_feed(Access::everything(), &everything(), Some(empty.next), 10).await;
    let found: Vec<_> = page.events.iter().map(|one| one.event.id).collect();
    assert_eq!(found[..2], expected[..2]);
    assert_eq!(BTreeSet::from_iter(&found), BTreeSet::from_iter(&expected));
    assert_eq!(page.events[0].event.body, early.body);
    assert_eq!(page.events[0].event.timestamp, early.timestamp);
    assert!(!page.has_more);
    for limit in [1, 2, 5] {
        assert_eq!(scene.whole_feed(Access::everything(), &everything(), limit).await, found);
    }
    for (nth, one) in page.events.iter().enumerate() {
        let rest = scene.read_feed(Access::everything(), &everything(), Some(one.cursor), 10).await;
        let rest: Vec<_> = rest.events.iter().map(|one| one.event.id).collect();
        assert_eq!(rest, found[nth + 1..], "every event's cursor resumes after it");
    }
    let last = scene.read_feed(Access::everything(), &everything(), Some(page.next), 10).await;
    assert!(last.events.is_empty() && !last.has_more);
    assert_eq!(last.next, page.next);
}

/// Consumers that read while events are published get each of them once, in the same order.
pub async fn consumers_of_the_event_feed_see_the_same_order(harness: &dyn Harness) {
    const PUBLISHERS: u64 = 4;
    const EVENTS: usize = 40;
    let total = usize::try_from(PUBLISHERS).unwrap() * EVENTS;
    let scene = Scene::new(harness);
    let mut publishing = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let events = harness.events();
        let entropy = crate::SeededEntropy::new(100 + publisher);
        let at = scene.now().await;
        publishing.spawn(async move {
            for nth in 0..EVENTS {
                let event = samples::event(&entropy, at + Duration::from_millis(nth as u64));
                events.publish(&[event]).await.unwrap();
            }
        });
    }
    let consume = async |limit| {
        let (mut after, mut ids) = (None, Vec::new());
        let all = async || {
            let page = scene.read_feed(Access::everything(), &everything(), after, limit).await;
            ids.extend(page.events.iter().map(|one| one.event.id));
            after = Some(page.next);
            (ids.len() >= total).then_some(())
        };
        eventually("all events in the feed", all).await;
        ids
    };
    let (one, other) = tokio::join!(consume(7), consume(50));
    publishing.join_all().await;
    assert_eq!(one, other);
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), total, "each event once");
    assert_eq!(scene.whole_feed(Access::everything(), &everything(), 100).await, one);
}

/// A type and a project filter the feed. A page reads a bounded number of events, and its cursor makes progress.
pub async fn the_event_feed_is_filtered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut rare = scene.new_event().await;
    rare.event_type = "command.failed".parse().unwrap();
    let count = MAX_SCANNED as usize + 10;
    let at = scene.moment().await;
    let common: Vec<NewEvent> = (0..count).map(|_| samples::event(&scene.entropy, at)).collect();
    for batch in common.chunks(1_000) {
        scene.events.publish(batch).await.unwrap();
    }
    scene.publish_one(&rare).await;
    scene.await_feed(rare.id).await;
    let of_type = |text: &str| EventFeedFilter { event_type: Some(text.parse().unwrap()), project: None };
    let page = scene.read_feed(Access::everything(), &of_type("command.failed"), None, 10).await;
    assert!(page.events.is_empty() && page.has_more);
    let next = scene.read_feed(Access::everything(), &of_type("command.failed"), Some(page.next), 10).await;
    assert_eq!(next.events.iter().map(|one| one.event.id).collect::<Vec<_>>(), [rare.id]);
    assert!(!next.has_more);
    assert_eq!(scene.whole_feed(Access::everything(), &of_type("command.failed"), 10).await, [rare.id]);
    assert_eq!(scene.whole_feed(Access::everything(), &of_type("command.started"), 10).await, []);
    // A cursor of one filter is valid with another.
    let rest = scene.read_feed(Access::everything(), &everything(), Some(page.next), 100).await;
    assert_eq!(rest.events.len(), 11);
    let mut of_project = scene.new_event().await;
    of_project.project = Some("rare".parse().unwrap());
    scene.publish_one(&of_project).await;
    scene.await_feed(of_project.id).await;
    let project = EventFeedFilter { event_type: None, project: Some("rare".parse().unwrap()) };
    let found = scene.read_feed(Access::everything(), &project, Some(next.next), 10).await;
    assert_eq!(found.events.iter().map(|one| one.event.id).collect::<Vec<_>>(), [of_project.id]);
}

/// A project-scoped caller gets only its projects' events.
pub async fn the_event_feed_shows_events_to_their_projects(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut own = Vec::new();
    for project in [Some("one"), Some("two"), None, Some("one")] {
        let project = project.map(|project| project.parse().unwrap());
        let event = NewEvent { project: project.clone(), ..scene.new_event().await };
        scene.publish_one(&event).await;
        scene.await_feed(event.id).await;
        if project == Some("one".parse().unwrap()) {
            own.push(event.id);
        }
    }
    let access =
        Access { projects: Some(BTreeSet::from(["one".parse().unwrap()])), ..Access::everything().clone() };
    assert_eq!(scene.whole_feed(&access, &everything(), 1).await, own);
    let other = EventFeedFilter { project: Some("two".parse().unwrap()), event_type: None };
    assert_eq!(scene.whole_feed(&access, &other, 10).await, []);
}

/// A page of large events ends early.
pub async fn a_page_of_the_event_feed_is_bounded(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut ids = Vec::new();
    for _ in 0..6 {
        let event = NewEvent { body: vec![b'x'; MAX_PAGE_BYTES / 4].into(), ..scene.new_event().await };
        scene.publish_one(&event).await;
        scene.await_feed(event.id).await;
        ids.push(event.id);
    }
    let page = scene.read_feed(Access::everything(), &everything(), None, 100).await;
    assert_eq!(page.events.len(), 4);
    assert!(page.has_more);
    assert_eq!(scene.whole_feed(Access::everything(), &everything(), 100).await, ids);
}

/// The end of the feed is before everything that is published later.
pub async fn the_event_feed_begins_now(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let before = scene.publish().await;
    scene.await_feed(before).await;
    let end = harness.event_feed().end().await.unwrap();
    let page = scene.read_feed(Access::everything(), &everything(), Some(end), 10).await;
    assert!(page.events.is_empty());
    let later = scene.publish().await;
    scene.await_feed(later).await;
    let page = scene.read_feed(Access::everything(), &everything(), Some(end), 10).await;
    assert_eq!(page.events.iter().map(|one| one.event.id).collect::<Vec<_>>(), [later]);
}

/// A cursor after which retention removed events is refused; one that has read them all is not.
pub async fn the_event_feed_reports_what_was_pruned(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let empty = scene.read_feed(Access::everything(), &everything(), None, 10).await.next;
    for _ in 0..3 {
        let event = scene.publish().await;
        scene.await_feed(event).await;
    }
    let all = scene.read_feed(Access::everything(), &everything(), None, 10).await;
    let (second, last) = (all.events[1].cursor, all.next);
    scene.advance(DAY + DAY / 2).await;
    while scene.history.prune(Duration::ZERO).await.unwrap().events > 0 {}
    let kept = scene.publish().await;
    scene.await_feed(kept).await;
    let feed = harness.event_feed();
    for missed in [empty, second] {
        let read = feed.read(Access::everything(), &everything(), Some(missed), 10).await.unwrap();
        assert_eq!(read, EventFeedRead::Pruned);
    }
    for after in [None, Some(last)] {
        let page = scene.read_feed(Access::everything(), &everything(), after, 10).await;
        assert_eq!(page.events.iter().map(|one| one.event.id).collect::<Vec<_>>(), [kept]);
    }
}

/// A cursor after all events belongs to another store.
pub async fn the_event_feed_refuses_a_cursor_of_the_future(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    scene.publish().await;
    let ahead = EventCursor::new(EventPosition::Numbered(1_000_000), EventPosition::START);
    let read = harness.event_feed().read(Access::everything(), &everything(), Some(ahead), 10).await.unwrap();
    assert_eq!(read, EventFeedRead::Unknown);
}
