//! Tests of `ReplayRepository` except `advance`.

use std::sync::Arc;

use rdev_webhooks_domain::ports::{Entropy, Redelivery, ReplayBegun, ReplayCancelled};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryId, DeliveryOutcome, DeliveryStatus, DisabledReason, FailureReason,
    Matched, NewEvent, Replay, ReplayId, ReplaySelection, ReplayState, Settled, Target, Timestamp, Trigger,
    WebhookId, WebhookState,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{HOUR, MINUTE, Scene, all_pages, first};
use crate::samples;

impl Scene<'_> {
    /// Returns events for one webhook that are not published yet, in the order of their ids.
    pub(super) async fn new_events(&self, webhook: WebhookId, count: usize) -> Vec<NewEvent> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(NewEvent { target: Target::Webhook(webhook), ..self.new_event().await });
        }
        events
    }

    /// Publishes events for one webhook without due deliveries, and lets all their deliveries fail.
    pub(super) async fn fail_all(&self, webhook: WebhookId, events: &[NewEvent]) -> Vec<DeliveryId> {
        self.events.publish(events).await.unwrap();
        let sent = self.send_all(webhook, Settled::Failed(FailureReason::AttemptsExhausted)).await;
        assert_eq!(sent.len(), events.len(), "nothing else was due");
        events.iter().map(|event| DeliveryId::derive(event.id, webhook)).collect()
    }

    /// Creates `count` failed deliveries. Returns them in the order of their ids.
    pub(super) async fn failed(&self, webhook: WebhookId, count: usize) -> Vec<DeliveryId> {
        let events = self.new_events(webhook, count).await;
        self.fail_all(webhook, &events).await
    }

    /// Selects all failed deliveries of a webhook.
    pub(super) async fn all_failed(&self, webhook: WebhookId) -> ReplaySelection {
        ReplaySelection {
            webhook_id: webhook,
            since: Timestamp::EPOCH,
            until: self.now().await + HOUR,
            status: DeliveryOutcome::Failed.into(),
            projects: None,
        }
    }

    /// Returns a replay that has not begun.
    pub(super) async fn new_replay(&self, selection: ReplaySelection) -> Replay {
        let matched = self.replays.count(&selection).await.unwrap();
        let entropy: &dyn Entropy = &self.entropy;
        let id = ReplayId::from_parts(self.moment().await, entropy.bytes());
        Replay::new(id, selection, matched)
    }

    /// Begins a replay and returns it.
    pub(super) async fn begin(&self, selection: ReplaySelection) -> ReplayId {
        let replay = self.new_replay(selection).await;
        assert_eq!(self.replays.begin(Access::everything(), &replay).await.unwrap(), ReplayBegun::Started);
        replay.id
    }

    pub(super) async fn replay(&self, id: ReplayId) -> Replay {
        self.replays.get(Access::everything(), id).await.unwrap().expect("the replay exists")
    }

    pub(super) async fn disable(&self, webhook: WebhookId) {
        let state = WebhookState::Disabled { reason: DisabledReason::Manual, since: self.now().await };
        self.change(webhook, |webhook| webhook.state = state).await;
    }
}

/// A count contains exactly the finished deliveries of the selected webhook, range, outcome and projects.
pub async fn a_count_is_of_what_the_selection_describes(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, other) = (scene.webhook().await, scene.webhook().await);
    let mut events = scene.new_events(webhook, 3).await;
    events[1].project = Some("a".parse().unwrap());
    let failed = scene.fail_all(webhook, &events).await;
    scene.failed(other, 2).await;
    scene.delivery_in(DeliveryStatus::Succeeded, webhook).await;
    scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    scene.delivery_in(DeliveryStatus::Pending, webhook).await;

    let all = scene.all_failed(webhook).await;
    let second = failed[1].time();
    let of = |projects: &[&str]| Some(projects.iter().map(|name| name.parse().unwrap()).collect());
    for (selection, expected) in [
        (all.clone(), 3),
        (ReplaySelection { status: DeliveryOutcome::Succeeded.into(), ..all.clone() }, 1),
        (ReplaySelection { status: DeliveryOutcome::Cancelled.into(), ..all.clone() }, 0),
        (ReplaySelection { since: second, ..all.clone() }, 2),
        (ReplaySelection { until: second, ..all.clone() }, 1),
        (ReplaySelection { since: second, until: second, ..all.clone() }, 0),
        (ReplaySelection { projects: of(&["a", "b"]), ..all.clone() }, 1),
        (ReplaySelection { projects: of(&["b"]), ..all.clone() }, 0),
        (ReplaySelection { projects: of(&[]), ..all.clone() }, 0),
    ] {
        let matched = scene.replays.count(&selection).await.unwrap();
        assert_eq!((matched.deliveries, matched.is_exact), (expected, true), "{selection:?}");
    }
    let redelivered =
        scene.queue.redeliver(Access::everything(), failed[0], &Trigger::Manual.into()).await.unwrap();
    assert!(matches!(redelivered, Some(Redelivery::Queued(_))));
    assert_eq!(scene.replays.count(&all).await.unwrap().deliveries, 2, "one delivery is no longer finished");
}

/// A replay reads back unchanged.
pub async fn a_replay_is_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, other) = (scene.webhook().await, scene.webhook().await);
    let all = ReplaySelection {
        projects: Some(samples::projects(["mein Projekt é", "a"])),
        status: DeliveryOutcome::Succeeded.into(),
        since: Timestamp::from_micros(1_736_937_000_123_457),
        ..scene.all_failed(webhook).await
    };
    let matched =
        Matched { deliveries: 1_000_000, is_exact: false, at: Timestamp::from_micros(1_736_937_000_000_001) };
    let limited = Replay { matched, ..scene.new_replay(all).await };
    let free = scene.new_replay(scene.all_failed(other).await).await;
    for replay in [limited, free] {
        assert!(scene.replays.get(Access::everything(), replay.id).await.unwrap().is_none());
        assert_eq!(scene.replays.begin(Access::everything(), &replay).await.unwrap(), ReplayBegun::Started);
        assert_eq!(scene.replay(replay.id).await, replay);
        let webhook = replay.selection.webhook_id;
        let listed = scene.replays.list(Access::everything(), Some(webhook), first(10)).await.unwrap();
        assert_eq!(listed.items, [replay]);
    }
}

/// Of several replays that begin concurrently, one succeeds. The next may begin when it has ended.
pub async fn one_replay_of_a_webhook_runs_at_a_time(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.failed(webhook, 1).await;
    let all = scene.all_failed(webhook).await;
    let start = Arc::new(Barrier::new(4));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let replay = scene.new_replay(all.clone()).await;
        let (replays, start) = (harness.replays(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            (replay.id, replays.begin(Access::everything(), &replay).await.unwrap())
        });
    }
    let answers = tasks.join_all().await;
    let started: Vec<_> = answers.iter().filter(|(_, begun)| *begun == ReplayBegun::Started).collect();
    assert_eq!(started.len(), 1, "{answers:?}");
    let refused = answers.iter().filter(|(_, begun)| *begun == ReplayBegun::AlreadyRunning);
    assert_eq!(refused.count(), 3, "{answers:?}");
    assert_eq!(
        scene.replays.list(Access::everything(), Some(webhook), first(10)).await.unwrap().items.len(),
        1
    );

    // A replay of another webhook is independent.
    let other = scene.webhook().await;
    scene.failed(other, 1).await;
    scene.begin(scene.all_failed(other).await).await;
    scene.replays.cancel(Access::everything(), started[0].0).await.unwrap();
    scene.begin(all).await;
}

/// An empty replay is completed when it begins. It prevents no other replay, and no other prevents it.
pub async fn a_replay_of_nothing_is_complete_at_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.failed(webhook, 1).await;
    let nothing =
        ReplaySelection { status: DeliveryOutcome::Cancelled.into(), ..scene.all_failed(webhook).await };
    let first = scene.begin(nothing.clone()).await;
    let running = scene.begin(scene.all_failed(webhook).await).await;
    let second = scene.begin(nothing).await;
    for id in [first, second] {
        let replay = scene.replay(id).await;
        assert_eq!(replay.state, ReplayState::Completed { at: replay.matched.at });
        assert_eq!(scene.replays.advance(id).await.unwrap(), None);
    }
    assert_eq!(scene.replays.due(None, 10).await.unwrap(), [running]);
}

/// No replay begins for a disabled or deleted webhook.
pub async fn a_replay_needs_an_enabled_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.failed(webhook, 1).await;
    let replay = scene.new_replay(scene.all_failed(webhook).await).await;
    assert_eq!(replay.matched.deliveries, 1);
    scene.disable(webhook).await;
    assert_eq!(
        scene.replays.begin(Access::everything(), &replay).await.unwrap(),
        ReplayBegun::WebhookDisabled
    );
    scene.delete(webhook).await;
    assert_eq!(
        scene.replays.begin(Access::everything(), &replay).await.unwrap(),
        ReplayBegun::WebhookDeleted
    );
    assert!(scene.replays.get(Access::everything(), replay.id).await.unwrap().is_none());
    assert!(scene.replays.due(None, 10).await.unwrap().is_empty());
}

/// Pages join without gaps and repetitions while replays are added.
pub async fn replays_are_paged_newest_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, other) = (scene.webhook().await, scene.webhook().await);
    let add = async || {
        let id = scene.begin(scene.all_failed(webhook).await).await;
        scene.replays.cancel(Access::everything(), id).await.unwrap();
        id
    };
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(add().await);
    }
    let of_other = scene.begin(scene.all_failed(other).await).await;
    let all = scene.replays.list(Access::everything(), None, first(10)).await.unwrap();
    let all: Vec<_> = all.items.iter().map(|replay| replay.id).collect();
    assert_eq!(all, [&[of_other], &*ids.iter().rev().copied().collect::<Vec<_>>()].concat());
    let fetch =
        async |request| scene.replays.list(Access::everything(), Some(webhook), request).await.unwrap();
    let between = async || {
        add().await;
    };
    let listed = all_pages(2, |replay: &Replay| replay.id, fetch, between).await;
    let listed: Vec<_> = listed.iter().map(|replay| replay.id).collect();
    ids.reverse();
    assert_eq!(listed, ids);
}

/// A project-scoped caller sees only replays that are restricted to some of its projects.
pub async fn replays_are_filtered_by_project(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut ids = Vec::new();
    for projects in [
        None,
        Some(samples::projects(["a"])),
        Some(samples::projects(["a", "b"])),
        Some(samples::projects(["c"])),
        Some(samples::projects([])),
    ] {
        let id = scene.begin(ReplaySelection { projects, ..scene.all_failed(webhook).await }).await;
        scene.replays.cancel(Access::everything(), id).await.unwrap();
        ids.push(id);
    }
    for (projects, expected) in [
        (None, vec![ids[4], ids[3], ids[2], ids[1], ids[0]]),
        (Some(samples::projects(["a"])), vec![ids[4], ids[1]]),
        (Some(samples::projects(["a", "b", "z"])), vec![ids[4], ids[2], ids[1]]),
        (Some(samples::projects(["z"])), vec![ids[4]]),
    ] {
        let access = projects.map_or_else(|| Access::everything().clone(), samples::access);
        for of in [Some(webhook), None] {
            let listed = scene.replays.list(&access, of, first(10)).await.unwrap();
            let listed: Vec<_> = listed.items.iter().map(|replay| replay.id).collect();
            assert_eq!(listed, expected, "{access:?} {of:?}");
        }
        for id in &ids {
            let is_visible = expected.contains(id);
            assert_eq!(scene.replays.get(&access, *id).await.unwrap().is_some(), is_visible, "{access:?}");
            assert_eq!(scene.replays.cancel(&access, *id).await.unwrap().is_some(), is_visible, "{access:?}");
        }
    }
}

/// A cancellation of an ended replay reports that it has ended, and changes nothing.
pub async fn a_replay_that_has_ended_is_not_cancelled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let completed = scene.begin(scene.all_failed(webhook).await).await;
    assert!(matches!(scene.replay(completed).await.state, ReplayState::Completed { .. }));
    scene.failed(webhook, 1).await;
    let cancelled = scene.begin(scene.all_failed(webhook).await).await;
    let answer = scene.replays.cancel(Access::everything(), cancelled).await.unwrap();
    let Some(ReplayCancelled::Cancelled(shown)) = answer else { panic!("{answer:?}") };
    assert!(matches!(shown.state, ReplayState::Cancelled { reason: CancelReason::Requested, .. }));
    for id in [completed, cancelled] {
        let before = scene.replay(id).await;
        let answer = scene.replays.cancel(Access::everything(), id).await.unwrap();
        assert_eq!(answer, Some(ReplayCancelled::Ended(before.clone())));
        assert_eq!(scene.replay(id).await, before);
    }
    let unknown = ReplayId::from_parts(scene.moment().await, [9; 10]);
    assert_eq!(scene.replays.cancel(Access::everything(), unknown).await.unwrap(), None);
}

/// A replay is open while it runs and until its queued deliveries have ended. Open replays are listed in the
/// order of their ids, a page at a time.
pub async fn open_replays_are_listed_until_all_has_ended(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut ids = Vec::new();
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        let webhook = scene.webhook().await;
        scene.failed(webhook, 1).await;
        webhooks.push(webhook);
        ids.push(scene.begin(scene.all_failed(webhook).await).await);
    }
    assert_eq!(scene.replays.due(None, 10).await.unwrap(), ids);
    assert_eq!(scene.replays.due(None, 2).await.unwrap(), ids[..2]);
    assert_eq!(scene.replays.due(Some(ids[1]), 2).await.unwrap(), ids[2..]);

    // One is cancelled with a queued delivery, one without, and one continues.
    assert_eq!(scene.replays.advance(ids[0]).await.unwrap().unwrap().queued, 1);
    scene.replays.cancel(Access::everything(), ids[0]).await.unwrap();
    scene.replays.cancel(Access::everything(), ids[1]).await.unwrap();
    assert_eq!(scene.replays.due(None, 10).await.unwrap(), [ids[0], ids[2]]);
    let leased = scene.claim_one(webhooks[0]).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    assert_eq!(scene.replays.advance(ids[0]).await.unwrap().unwrap().ended, 1);
    assert_eq!(scene.replays.due(None, 10).await.unwrap(), ids[2..]);
    assert_eq!(scene.replays.advance(ids[0]).await.unwrap(), None, "nothing is left to do");
    assert_eq!(scene.replay(ids[0]).await.succeeded, 1);
}

/// A replay that waits for its webhook becomes due at growing intervals, and at once when the webhook is
/// changed or deleted.
pub async fn a_replay_that_gets_nowhere_is_due_ever_more_seldom(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (disabled, slow) = (scene.webhook().await, scene.webhook().await);
    let mut ids = Vec::new();
    for webhook in [disabled, slow] {
        scene.failed(webhook, 1).await;
        ids.push(scene.begin(scene.all_failed(webhook).await).await);
    }
    scene.disable(disabled).await;
    let due = async || scene.replays.due(None, 10).await.unwrap();
    assert_eq!(scene.step(ids[1]).await.queued, 1);
    assert_eq!(
        due().await,
        ids,
        "one has just advanced, and one was not advanced since its webhook was changed"
    );
    scene.advance(5 * MINUTE).await;
    for id in &ids {
        assert_eq!(scene.step(*id).await.queued, 0);
    }
    assert!(due().await.is_empty());
    scene.advance(2 * MINUTE).await;
    assert_eq!(due().await, ids[1..], "the replay of a disabled webhook is due less often");
    scene.step(ids[1]).await;
    scene.advance(HOUR).await;
    assert_eq!(due().await, ids);
    for id in &ids {
        scene.step(*id).await;
    }
    scene.change(disabled, |webhook| webhook.state = WebhookState::Enabled).await;
    assert_eq!(due().await, ids[..1]);
    scene.delete(slow).await;
    assert_eq!(due().await, ids);
}

/// A replay begins only if its webhook is visible to the caller. A webhook that has just been moved to other
/// projects is not.
pub async fn who_sees_no_webhook_replays_none(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for (of_webhook, limited_to, is_begun) in [
        (&["a"][..], &["b"][..], false),
        (&["a", "b"], &["a"], false),
        (&[], &["a"], false),
        (&["a"], &[], false),
        (&["a"], &["a"], true),
        (&["a"], &["a", "b"], true),
    ] {
        let projects = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let webhook = samples::with_settings(scene.new_webhook().await, |settings| {
            settings.projects = projects(of_webhook);
        });
        scene.create(&webhook).await;
        let replay = scene.new_replay(scene.all_failed(webhook.id).await).await;
        let begun = scene.replays.begin(&samples::access(projects(limited_to)), &replay).await.unwrap();
        let expected = if is_begun { ReplayBegun::Started } else { ReplayBegun::WebhookDeleted };
        assert_eq!(begun, expected, "{of_webhook:?} {limited_to:?}");
        assert_eq!(scene.replays.get(Access::everything(), replay.id).await.unwrap().is_some(), is_begun);
    }
}
