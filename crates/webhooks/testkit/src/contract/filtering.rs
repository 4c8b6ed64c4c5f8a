//! Tests of the filters of lists that search by what events contain and by how attempts ended.

use std::collections::BTreeSet;
use std::time::Duration;

use rdev_webhooks_domain::{
    Access, Attempt, AttemptOutcome, CapturedResponse, DeliveryFilter, DeliveryId, DeliveryOutcome,
    DeliveryStatus, EventFilter, EventId, FailureClass, FailureReason, LastAttemptFilter, LeasedDelivery,
    NewEvent, PageRequest, ReplaySelection, Settled, Settlement, Timestamp, Trigger, WebhookFilter,
    WebhookId, render_body,
};

use super::Harness;
use super::scene::{DAY, Scene, all_pages, first};
use crate::samples;

/// Publishes an event of a command to all subscribers.
async fn publish(
    scene: &Scene<'_>,
    at: Timestamp,
    event_type: &str,
    command: &str,
    project: Option<&str>,
) -> EventId {
    let event_type = event_type.parse().unwrap();
    let body = render_body(&event_type, at, &format!(r#"{{"command_id":"{command}","n":1}}"#));
    let project = project.map(|project| project.parse().unwrap());
    let event = NewEvent { event_type, body, project, ..samples::event(&scene.entropy, at) };
    scene.publish_one(&event).await.id
}

/// Returns the deliveries of a list, which is read in pages of several sizes.
async fn listed(scene: &Scene<'_>, access: &Access, filter: &DeliveryFilter) -> Vec<DeliveryId> {
    let fetch = async |page: PageRequest<DeliveryId>| scene.history.list(access, filter, page).await.unwrap();
    let all: Vec<_> = fetch(first(1_000)).await.items.iter().map(|delivery| delivery.id).collect();
    for limit in [1, 3] {
        let paged = all_pages(limit, |delivery| delivery.id, fetch, async || {}).await;
        let paged: Vec<_> = paged.iter().map(|delivery| delivery.id).collect();
        assert_eq!(paged, all, "{filter:?} in pages of {limit}");
    }
    all
}

async fn settle(scene: &Scene<'_>, leased: &LeasedDelivery, settled: Settled, outcome: AttemptOutcome) {
    let settlement = scene.settlement(leased, settled).await;
    let attempt = settlement.attempt.map(|attempt| Attempt { outcome, ..attempt });
    assert_eq!(scene.queue.settle(&[Settlement { attempt, ..settlement }]).await.unwrap(), [true]);
}

fn answered(status: u16) -> AttemptOutcome {
    AttemptOutcome::answered(CapturedResponse { status, ..CapturedResponse::default() })
}

/// Creates deliveries to a webhook whose last attempts differ: made by every trigger, with several results, in every
/// state.
async fn histories(scene: &Scene<'_>, webhook: WebhookId, project: &str) {
    let timeout = || AttemptOutcome::failed(FailureClass::Timeout, "no response");
    let interrupted = || AttemptOutcome { failure: timeout().failure, ..answered(200) };
    let exhausted = Settled::Failed(FailureReason::AttemptsExhausted);
    let later = Settled::RetryAfter(DAY);
    let claim = async || {
        let event = NewEvent { project: Some(project.parse().unwrap()), ..scene.new_event().await };
        let id = DeliveryId::derive(scene.publish_one(&event).await.id, webhook);
        (id, scene.claim_for(webhook, 1, DAY).await.remove(0))
    };
    let again = async |id: DeliveryId| {
        scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
    };
    let cancel = async |id: DeliveryId| {
        scene.queue.cancel(Access::everything(), id).await.unwrap();
    };
    for (settled, outcome) in [
        (Settled::Succeeded, answered(200)),
        (Settled::Succeeded, answered(204)),
        (exhausted, answered(503)),
        (later, answered(503)),
        (exhausted, timeout()),
        (later, timeout()),
        (exhausted, interrupted()),
        (later, answered(200)),
    ] {
        // Ended, and then redelivered: due, in flight, failed, succeeded and cancelled.
        for step in 0..6 {
            let (id, leased) = claim().await;
            settle(scene, &leased, settled, outcome.clone()).await;
            match step {
                0 => {}
                1 => cancel(id).await,
                step => {
                    again(id).await;
                    let leased = scene.claim_for(webhook, 1, DAY).await.remove(0);
                    match step {
                        2 => {}
                        3 => settle(scene, &leased, exhausted, answered(410)).await,
                        4 => settle(scene, &leased, Settled::Succeeded, answered(200)).await,
                        _ => {
                            scene.queue.release(&[leased.lease]).await.unwrap();
                            cancel(id).await;
                        }
                    }
                }
            }
        }
    }
    // A replay, by which some succeed.
    let (_, leased) = claim().await;
    settle(scene, &leased, Settled::Succeeded, answered(200)).await;
    let selection =
        ReplaySelection { status: DeliveryOutcome::Succeeded.into(), ..scene.all_failed(webhook).await };
    let replay = scene.begin(selection).await;
    scene.step(replay).await;
    let replayed = scene.claim_for(webhook, 3, DAY).await;
    settle(scene, &replayed[0], Settled::Succeeded, answered(200)).await;
    settle(scene, &replayed[1], exhausted, answered(503)).await;
    // A worker died, and another took over; no attempt was made yet, or none ever.
    let (_, _) = claim().await;
    scene.advance(DAY * 2).await;
    scene.claim_for(webhook, 2, DAY).await;
    scene.publish_to(webhook).await;
    cancel(scene.publish_to(webhook).await).await;
}

/// Deliveries are found by the status, the class and the trigger of their last attempt, alone and together with other
/// filters, in every state.
pub async fn deliveries_are_filtered_by_their_last_attempt(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let narrow = samples::patterns(["nothing"]);
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    let of_a = samples::projects(["a"]);
    scene.change(one, |webhook| webhook.settings.projects = of_a).await;
    scene.change(two, |webhook| webhook.settings.events = narrow.clone()).await;
    histories(&scene, one, "a").await;
    scene.change(one, |webhook| webhook.settings.events = narrow).await;
    scene.change(two, |webhook| webhook.settings.events = samples::patterns(["*"])).await;
    histories(&scene, two, "b").await;

    let mut all = Vec::new();
    for delivery in scene.deliveries(&DeliveryFilter::default()).await {
        let last = scene.attempts(delivery.id).await.into_iter().next();
        all.push((delivery, last));
    }
    let mut wanted = vec![LastAttemptFilter::default()];
    for code in [None, Some(200), Some(204), Some(503), Some(418)] {
        for class in
            [None, Some(FailureClass::Status), Some(FailureClass::Timeout), Some(FailureClass::Abandoned)]
        {
            for trigger in [None, Some(Trigger::Automatic), Some(Trigger::Manual), Some(Trigger::Replay)] {
                wanted.push(LastAttemptFilter { code, class, trigger });
            }
        }
    }
    let scoped = samples::access(samples::projects(["a"]));
    let mut found = BTreeSet::new();
    for (nth, last_attempt) in wanted.into_iter().enumerate() {
        let any = DeliveryFilter { last_attempt, ..DeliveryFilter::default() };
        let status = DeliveryStatus::ALL[nth % DeliveryStatus::ALL.len()];
        for filter in [
            any.clone(),
            DeliveryFilter { webhook: Some(two), ..any.clone() },
            DeliveryFilter { project: Some("a".parse().unwrap()), ..any.clone() },
            DeliveryFilter { status: Some(status), ..any.clone() },
            DeliveryFilter { event: Some(all[nth % all.len()].0.event_id), ..any },
        ] {
            for access in [Access::everything(), &scoped] {
                let is_seen = |webhook| access.projects.is_none() || webhook == one;
                let expected = all.iter().filter(|(delivery, last)| {
                    is_seen(delivery.webhook_id)
                        && (access.projects.is_none() || delivery.project.is_some())
                        && filter.matches(delivery)
                        && last_attempt.matches(last.as_ref())
                });
                let expected: Vec<_> = expected.map(|(delivery, _)| delivery.id).collect();
                assert_eq!(listed(&scene, access, &filter).await, expected, "{access:?} {filter:?}");
                found.extend(expected);
            }
        }
    }
    assert_eq!(found.len(), all.len());
}

/// Deliveries are found by the type, the project and the command of their events, also where many events are of one
/// millisecond.
pub async fn deliveries_are_found_along_their_events(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    let of_a = samples::projects(["a"]);
    scene.change(two, |webhook| webhook.settings.projects = of_a).await;
    let start = scene.now().await.truncated_to_millis();
    for n in 0_u64..120 {
        let at = start + Duration::from_millis(n / 50);
        let event_type = if n % 3 == 0 { "command.failed" } else { "command.completed" };
        publish(
            &scene,
            at,
            event_type,
            &format!("cmd-{}", n % 4),
            [None, Some("a"), Some("b")][n as usize % 3],
        )
        .await;
    }
    let all = scene.deliveries(&DeliveryFilter::default()).await;
    assert_eq!(all.len(), 160);
    let none = DeliveryFilter::default;
    let command = |id: &str| Some(id.parse().unwrap());
    let scoped = samples::access(samples::projects(["a", "b"]));
    let mut of_command = BTreeSet::new();
    let of_one = EventFilter { command_id: command("cmd-1"), ..EventFilter::default() };
    for record in scene.events.list(Access::everything(), &of_one, first(1_000)).await.unwrap().items {
        of_command.insert(record.event.id);
    }
    assert_eq!(of_command.len(), 30);
    for filter in [
        DeliveryFilter { event_type: Some("command.failed".parse().unwrap()), ..none() },
        DeliveryFilter { event_type: Some("command.none".parse().unwrap()), ..none() },
        DeliveryFilter { project: Some("a".parse().unwrap()), ..none() },
        DeliveryFilter { project: Some("a".parse().unwrap()), webhook: Some(two), ..none() },
        DeliveryFilter { command_id: command("cmd-1"), ..none() },
        DeliveryFilter { command_id: command("cmd-1"), project: Some("a".parse().unwrap()), ..none() },
        DeliveryFilter {
            command_id: command("cmd-1"),
            event_type: Some("command.failed".parse().unwrap()),
            webhook: Some(one),
            status: Some(DeliveryStatus::Pending),
            ..none()
        },
        DeliveryFilter {
            command_id: command("cmd-1"),
            since: Some(start + Duration::from_millis(1)),
            until: Some(start + Duration::from_millis(2)),
            ..none()
        },
        DeliveryFilter { command_id: command("cmd-1"), event: of_command.first().copied(), ..none() },
        DeliveryFilter { command_id: command("cmd-none"), ..none() },
        DeliveryFilter {
            command_id: command("cmd-1"),
            last_attempt: LastAttemptFilter { code: Some(200), ..LastAttemptFilter::default() },
            ..none()
        },
    ] {
        for access in [Access::everything(), &scoped] {
            let expected = all.iter().filter(|delivery| {
                (access.projects.is_none() || delivery.webhook_id == two && delivery.project.is_some())
                    && filter.matches(delivery)
                    && filter
                        .command_id
                        .as_ref()
                        .is_none_or(|id| id.as_str() == "cmd-1" && of_command.contains(&delivery.event_id))
                    && filter.last_attempt.matches(None)
            });
            let expected: Vec<_> = expected.map(|delivery| delivery.id).collect();
            assert_eq!(listed(&scene, access, &filter).await, expected, "{access:?} {filter:?}");
        }
    }
}

/// Events are found by their key and by their command; only the events of commands have one.
pub async fn events_are_filtered_by_key_and_command(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut ids = Vec::new();
    for (key, project, event_type, data) in [
        (Some("k"), Some("a"), "command.completed", r#"{"command_id":"cmd"}"#),
        (Some("k"), Some("b"), "command.failed", r#"{"command_id":"cmd"}"#),
        (Some("k"), None, "command.failed", r#"{"command_id":"c\u006dd","x":"\u0000"}"#),
        (Some("other"), Some("a"), "order.created", r#"{"command_id":"cmd"}"#),
        (None, Some("a"), "command.started", r#"{"data":{"command_id":"cmd"}}"#),
        (None, Some("a"), "command.started", r#"{"command_id":5}"#),
        (None, Some("a"), "command.started", r#"{"command_id":"'\"% é"}"#),
    ] {
        let event_type = event_type.parse().unwrap();
        let at = scene.moment().await;
        let event = NewEvent {
            key: key.map(|key| key.parse().unwrap()),
            project: project.map(|project| project.parse().unwrap()),
            body: render_body(&event_type, at, data),
            event_type,
            ..samples::event(&scene.entropy, at)
        };
        ids.push(scene.publish_one(&event).await.id);
    }
    let none = EventFilter::default;
    let by_key = |key: &str| EventFilter { key: Some(key.parse().unwrap()), ..none() };
    let of_command = |id: &str| EventFilter { command_id: Some(id.parse().unwrap()), ..none() };
    let a = Some("a".parse().unwrap());
    let scoped = samples::access(samples::projects(["a", "c"]));
    for (access, filter, expected) in [
        (Access::everything(), by_key("k"), vec![2, 1, 0]),
        (Access::everything(), EventFilter { project: a.clone(), ..by_key("k") }, vec![0]),
        (Access::everything(), EventFilter { until: Some(ids[1].time()), ..by_key("k") }, vec![0]),
        (Access::everything(), by_key("K"), vec![]),
        (Access::everything(), of_command("cmd"), vec![2, 1, 0]),
        (Access::everything(), of_command("'\"% é"), vec![6]),
        (Access::everything(), of_command("5"), vec![]),
        (Access::everything(), EventFilter { key: by_key("k").key, ..of_command("cmd") }, vec![2, 1, 0]),
        (Access::everything(), EventFilter { key: by_key("other").key, ..of_command("cmd") }, vec![]),
        (&scoped, by_key("k"), vec![0]),
        (&scoped, of_command("cmd"), vec![0]),
        (&scoped, EventFilter { project: Some("b".parse().unwrap()), ..by_key("k") }, vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|n: usize| ids[n]).collect();
        let fetch =
            async |page: PageRequest<EventId>| scene.events.list(access, &filter, page).await.unwrap();
        for limit in [1, 2, 10] {
            let paged = all_pages(limit, |record| record.event.id, fetch, async || {}).await;
            let paged: Vec<_> = paged.iter().map(|record| record.event.id).collect();
            assert_eq!(paged, expected, "{access:?} {filter:?}");
        }
    }
}

/// Webhooks are found by pairs of their metadata, all of them, and by their ids.
pub async fn webhooks_are_filtered_by_metadata(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let odd = ("a.b \"'%_", "\\ {}\nü");
    let mut ids = Vec::new();
    for pairs in
        [&[("tenant", "acme"), ("tier", "gold")][..], &[("tenant", "acme"), odd], &[("tier", "acme")], &[]]
    {
        let mut webhook = scene.new_webhook().await;
        for (key, value) in pairs {
            webhook.settings.metadata.insert((*key).to_owned(), (*value).to_owned()).unwrap();
        }
        webhook.settings.projects = samples::projects(["a"]);
        scene.create(&webhook).await;
        ids.push(webhook.id);
    }
    let everything = Access::everything();
    let scoped = samples::access(samples::projects(["b"]));
    let by = |pairs: &[(&str, &str)]| {
        let mut filter = WebhookFilter::default();
        for (key, value) in pairs {
            filter.metadata.insert((*key).to_owned(), (*value).to_owned()).unwrap();
        }
        filter
    };
    let some = Some([ids[0], ids[3]].into());
    for (access, filter, expected) in [
        (everything, by(&[]), vec![3, 2, 1, 0]),
        (everything, by(&[("tenant", "acme")]), vec![1, 0]),
        (everything, by(&[("tenant", "acme"), ("tier", "gold")]), vec![0]),
        (everything, by(&[("tenant", "acme"), ("tier", "acme")]), vec![]),
        (everything, by(&[odd]), vec![1]),
        (everything, by(&[("tenant", "")]), vec![]),
        (everything, WebhookFilter { ids: some.clone(), ..by(&[]) }, vec![3, 0]),
        (everything, WebhookFilter { ids: some.clone(), ..by(&[("tier", "gold")]) }, vec![0]),
        (everything, WebhookFilter { enabled: Some(false), ..by(&[("tier", "gold")]) }, vec![]),
        (&scoped, by(&[("tenant", "acme")]), vec![]),
        (&scoped, WebhookFilter { ids: some, ..by(&[]) }, vec![]),
    ] {
        let found = scene.webhooks.list(access, &filter, first(10)).await.unwrap();
        let found: Vec<_> = found.items.iter().map(|webhook| webhook.id).collect();
        let expected: Vec<_> = expected.into_iter().map(|n: usize| ids[n]).collect();
        assert_eq!(found, expected, "{filter:?}");
        let one = scene.webhooks.list(access, &filter, first(1)).await.unwrap();
        assert_eq!(one.has_more, expected.len() > 1, "{filter:?}");
    }
}
