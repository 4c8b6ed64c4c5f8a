//! Tests of `EventRepository::get` and `list`, and of `DeliveryHistory`.

use std::time::Duration;

use rdev_webhooks_domain::{
    Access, DeliveryCounts, DeliveryFilter, DeliveryId, DeliveryStatus, EventFilter, EventId, FailureReason,
    MAX_LISTED_BODY, NewEvent, PageRequest, ProjectName, Settled, Timestamp, Trigger, WebhookId,
};

use super::Harness;
use super::scene::{DAY, Scene, all_pages, first};
use crate::samples;

/// An event's deliveries are counted by their current status.
pub async fn an_event_tells_what_became_of_it(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut webhooks = Vec::new();
    for _ in 0..7 {
        webhooks.push(scene.webhook().await);
    }
    let event = scene.publish().await;
    let counts = async || scene.events.get(Access::everything(), event).await.unwrap().unwrap().deliveries;
    let all_pending = DeliveryCounts { pending: 7, ..DeliveryCounts::default() };
    assert_eq!(counts().await, all_pending);

    for webhook in &webhooks[2..6] {
        let leased = scene.claim_for(*webhook, 1, DAY).await;
        assert_eq!(leased.len(), 1);
        let failed = FailureReason::AttemptsExhausted;
        if *webhook == webhooks[3] {
            scene.settle_held(&leased[0], Settled::RetryAfter(DAY)).await;
        } else if *webhook == webhooks[4] {
            scene.settle_held(&leased[0], Settled::Succeeded).await;
        } else if *webhook == webhooks[5] {
            scene.settle_held(&leased[0], Settled::Failed(failed)).await;
        }
    }
    scene.delete(webhooks[6]).await;
    let expected =
        DeliveryCounts { pending: 2, in_flight: 1, retrying: 1, succeeded: 1, failed: 1, cancelled: 1 };
    assert_eq!(counts().await, expected);

    // After its lease has expired, the delivery waits for a retry.
    scene.advance(DAY).await;
    let expected = DeliveryCounts { in_flight: 0, retrying: 2, ..expected };
    assert_eq!(counts().await, expected);
    let listed = scene.events.list(Access::everything(), &EventFilter::default(), first(1)).await.unwrap();
    assert_eq!(listed.items[0].deliveries, expected);
    // The deliveries of another event are not counted.
    let other = scene.publish().await;
    assert_eq!(counts().await, expected);
    let record = scene.events.get(Access::everything(), other).await.unwrap().unwrap();
    assert_eq!(record.deliveries.total(), 6);
}

/// Pages join without gaps and repetitions while events are published.
pub async fn events_are_paged_newest_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    scene.webhook().await;
    let mut batch = Vec::new();
    for _ in 0..9 {
        batch.push(scene.new_event().await);
    }
    // The order is not that of the ids.
    batch.swap(2, 7);
    scene.events.publish(&batch).await.unwrap();
    let mut newest_first: Vec<EventId> = batch.iter().map(|event| event.id).collect();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));

    let filter = EventFilter::default();
    let fetch = async |page: PageRequest<EventId>| {
        scene.events.list(Access::everything(), &filter, page).await.unwrap()
    };
    let publish = async || {
        scene.publish().await;
    };
    for limit in [1, 3, 4, 100] {
        let known = fetch(first(1_000)).await.items;
        let paged = all_pages(limit, |record| record.event.id, fetch, publish).await;
        assert_eq!(paged, known, "in pages of {limit}");
    }
    let all = fetch(first(1_000)).await.items;
    let oldest: Vec<_> = all.iter().map(|record| record.event.id).collect();
    assert_eq!(oldest[oldest.len() - 9..], newest_first);
}

/// Publishes three events a second apart, of two types, with two projects and without one. Returns the times
/// and the ids.
async fn three_events(scene: &Scene<'_>) -> ([Timestamp; 3], [EventId; 3]) {
    let start = scene.now().await.truncated_to_millis();
    let times = [0, 1, 2].map(|n| start + Duration::from_secs(n));
    let mut ids = Vec::new();
    for (at, event_type, project) in [
        (times[0], "command.completed", Some("a")),
        (times[1], "command.failed", Some("b")),
        (times[2], "command.completed", None),
    ] {
        let event = NewEvent {
            event_type: event_type.parse().unwrap(),
            project: project.map(|name| name.parse().unwrap()),
            // The producer's timestamp does not count.
            timestamp: Timestamp::EPOCH,
            ..samples::event(&scene.entropy, at)
        };
        ids.push(scene.publish_one(&event).await.id);
    }
    (times, [ids[0], ids[1], ids[2]])
}

/// Each filter of events is applied, alone and together with others.
pub async fn events_are_filtered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (times, ids) = three_events(&scene).await;
    let none = EventFilter::default();
    let completed = Some("command.completed".parse().unwrap());
    let a = Some("a".parse().unwrap());
    let cases = [
        (none.clone(), vec![2, 1, 0]),
        (EventFilter { event_type: completed.clone(), ..none.clone() }, vec![2, 0]),
        (EventFilter { project: a.clone(), ..none.clone() }, vec![0]),
        (EventFilter { since: Some(times[1]), ..none.clone() }, vec![2, 1]),
        (EventFilter { until: Some(times[1]), ..none.clone() }, vec![0]),
        (EventFilter { since: Some(times[1]), until: Some(times[2]), ..none.clone() }, vec![1]),
        (EventFilter { event_type: completed.clone(), since: Some(times[1]), ..none.clone() }, vec![2]),
        (
            EventFilter {
                event_type: completed,
                project: a,
                since: Some(times[0]),
                until: Some(times[1]),
                ..none.clone()
            },
            vec![0],
        ),
    ];
    for (filter, expected) in cases {
        let page = scene.events.list(Access::everything(), &filter, first(10)).await.unwrap();
        let listed: Vec<_> = page.items.iter().map(|record| record.event.id).collect();
        let expected: Vec<_> = expected.into_iter().map(|n| ids[n]).collect();
        assert_eq!(listed, expected, "{filter:?}");
        let one = scene.events.list(Access::everything(), &filter, first(1)).await.unwrap();
        assert_eq!(one.items[0].event.id, expected[0]);
        assert_eq!(one.has_more, expected.len() > 1, "{filter:?}");
    }
}

/// The events of a project are listed newest first however many types they have, and whichever of them are rare.
pub async fn the_events_of_a_project_are_listed_whatever_their_types(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut batch = Vec::new();
    for n in 0..70 {
        let event_type = if n % 3 == 0 { "kind.common".to_owned() } else { format!("kind.n{}", n * n % 31) };
        batch.push(NewEvent {
            event_type: event_type.parse().unwrap(),
            project: Some(if n % 5 == 0 { "b" } else { "a" }.parse().unwrap()),
            ..scene.new_event().await
        });
    }
    scene.events.publish(&batch).await.unwrap();
    let a = || "a".parse::<ProjectName>().unwrap();
    let own = batch.iter().filter(|event| event.project == Some(a()));
    let mut expected: Vec<EventId> = own.map(|event| event.id).collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let scoped = samples::access([a()].into());
    let of_project = EventFilter { project: Some(a()), ..EventFilter::default() };
    for (access, filter) in [(Access::everything(), of_project), (&scoped, EventFilter::default())] {
        let fetch =
            async |page: PageRequest<EventId>| scene.events.list(access, &filter, page).await.unwrap();
        for limit in [1, 3, 20, 100] {
            let paged = all_pages(limit, |record| record.event.id, fetch, async || {}).await;
            let paged: Vec<_> = paged.iter().map(|record| record.event.id).collect();
            assert_eq!(paged, expected, "in pages of {limit}");
        }
    }
}

/// A list omits a body that is too large, and `get` returns it, for a project-scoped caller too.
pub async fn a_list_of_events_leaves_out_large_bodies(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let project: ProjectName = "a".parse().unwrap();
    let mut bodies = Vec::new();
    for len in [MAX_LISTED_BODY, MAX_LISTED_BODY + 1] {
        let mut event = scene.new_event().await;
        event.project = Some(project.clone());
        event.body = vec![b'x'; len].into();
        scene.publish_one(&event).await;
        bodies.push((event.id, event.body));
    }
    for access in [Access::everything(), &samples::access([project].into())] {
        let page = scene.events.list(access, &EventFilter::default(), first(10)).await.unwrap();
        let listed = |id| page.items.iter().find(|record| record.event.id == id).unwrap();
        assert_eq!(listed(bodies[0].0).event.body, bodies[0].1);
        assert!(listed(bodies[1].0).event.body.is_empty());
    }
    for (id, body) in bodies {
        assert_eq!(scene.events.get(Access::everything(), id).await.unwrap().unwrap().event.body, body);
    }
}

/// One list contains unfinished and finished deliveries, those of the newest events first, and its pages join
/// without gaps and repetitions.
pub async fn deliveries_are_paged_newest_first_whatever_their_state(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut events = Vec::new();
    for _ in 0..2 {
        for status in DeliveryStatus::ALL {
            let webhook = scene.webhook().await;
            let id = scene.delivery_in(*status, webhook).await;
            events.push(scene.delivery(id).await.event_id);
            if !matches!(status, DeliveryStatus::Cancelled) {
                // The webhook must not receive later events.
                let narrow = samples::patterns(["nothing"]);
                scene.change(webhook, |webhook| webhook.settings.events = narrow).await;
            }
        }
    }
    // One event with several deliveries.
    for _ in 0..3 {
        scene.webhook().await;
    }
    let shared = scene.publish().await;
    events.extend([shared; 3]);
    events.reverse();

    let filter = DeliveryFilter::default();
    let fetch = async |page: PageRequest<DeliveryId>| {
        let page = scene.history.list(Access::everything(), &filter, page).await;
        page.unwrap()
    };
    for limit in [1, 2, 5, 100] {
        let known = fetch(first(1_000)).await.items;
        let publish = async || {
            scene.publish().await;
        };
        let paged = all_pages(limit, |delivery| delivery.id, fetch, publish).await;
        assert_eq!(paged, known, "in pages of {limit}");
    }
    let all = fetch(first(1_000)).await.items;
    let oldest: Vec<_> = all.iter().map(|delivery| delivery.event_id).collect();
    assert_eq!(oldest[oldest.len() - events.len()..], events);
    for delivery in &all {
        assert_eq!(*delivery, scene.delivery(delivery.id).await);
    }
}

/// Each filter of deliveries is applied, alone and together with others.
pub async fn deliveries_are_filtered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, two) = (scene.webhook().await, scene.webhook().await);
    let (times, ids) = three_events(&scene).await;
    let delivery = |event: usize, webhook: WebhookId| DeliveryId::derive(ids[event], webhook);
    let expect = async |filter: DeliveryFilter, expected: &[(usize, WebhookId)]| {
        let listed = scene.deliveries(&filter).await;
        let listed: Vec<_> = listed.iter().map(|delivery| delivery.id).collect();
        let mut expected: Vec<_> = expected.iter().map(|(n, whk)| delivery(*n, *whk)).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(listed, expected, "{filter:?}");
        let page = scene.history.list(Access::everything(), &filter, first(1)).await.unwrap();
        assert_eq!(page.items.len(), expected.len().min(1));
        assert_eq!(page.has_more, expected.len() > 1, "{filter:?}");
    };
    let none = DeliveryFilter::default;
    let both = |event| [(event, one), (event, two)];

    expect(none(), &[both(0), both(1), both(2)].concat()).await;
    let filter = DeliveryFilter { webhook: Some(two), ..none() };
    expect(filter, &[(0, two), (1, two), (2, two)]).await;
    let filter = DeliveryFilter { event: Some(ids[1]), ..none() };
    expect(filter, &both(1)).await;
    let filter = DeliveryFilter { event_type: Some("command.completed".parse().unwrap()), ..none() };
    expect(filter, &[both(0), both(2)].concat()).await;
    let filter = DeliveryFilter { project: Some("b".parse().unwrap()), ..none() };
    expect(filter, &both(1)).await;
    let filter = DeliveryFilter { since: Some(times[1]), ..none() };
    expect(filter, &[both(1), both(2)].concat()).await;
    let filter = DeliveryFilter { until: Some(times[1]), ..none() };
    expect(filter, &both(0)).await;

    // By status, which changes: the delivery of the oldest event to `one` is finished, the next one is in
    // flight.
    let leased = scene.claim(one, 1).await;
    let settled = leased[0].event_id;
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    let leased = scene.claim(one, 1).await;
    let nth = |event: EventId| ids.iter().position(|id| *id == event).unwrap();
    let (settled, in_flight) = (nth(settled), nth(leased[0].event_id));
    let waiting = 3 - settled - in_flight;
    let with = |status| DeliveryFilter { status: Some(status), ..none() };
    expect(with(DeliveryStatus::Succeeded), &[(settled, one)]).await;
    expect(with(DeliveryStatus::InFlight), &[(in_flight, one)]).await;
    expect(with(DeliveryStatus::Failed), &[]).await;
    let pending = [(waiting, one), (0, two), (1, two), (2, two)];
    expect(with(DeliveryStatus::Pending), &pending).await;
    let filter = DeliveryFilter {
        webhook: Some(one),
        event: Some(ids[settled]),
        status: Some(DeliveryStatus::Succeeded),
        since: Some(times[settled]),
        until: Some(times[settled] + Duration::from_secs(1)),
        ..none()
    };
    expect(filter.clone(), &[(settled, one)]).await;
    let other = DeliveryFilter { webhook: Some(two), ..filter };
    expect(other, &[]).await;

    scene.settle_held(&leased[0], Settled::RetryAfter(DAY)).await;
    expect(with(DeliveryStatus::Retrying), &[(in_flight, one)]).await;
    scene.delete(two).await;
    let cancelled = [(0, two), (1, two), (2, two)];
    expect(with(DeliveryStatus::Cancelled), &cancelled).await;
    expect(with(DeliveryStatus::Pending), &[(waiting, one)]).await;
}

/// A list of a status has the deliveries that have it at that moment, also once their leases have expired.
pub async fn deliveries_are_found_by_their_status_of_the_moment(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut webhooks = Vec::new();
    let in_flight = DeliveryStatus::InFlight;
    for (status, is_redelivered) in DeliveryStatus::ALL.iter().map(|status| (*status, false)).chain([
        (DeliveryStatus::Failed, true),
        (DeliveryStatus::Retrying, true),
        (in_flight, false),
    ]) {
        let webhook = scene.webhook().await;
        let id = scene.delivery_in(status, webhook).await;
        if is_redelivered {
            scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
            scene.claim_for(webhook, 1, DAY).await;
            assert_eq!(scene.status(id).await, in_flight);
        }
        if status != DeliveryStatus::Cancelled {
            // The webhook must not receive later events.
            let narrow = samples::patterns(["nothing"]);
            scene.change(webhook, |webhook| webhook.settings.events = narrow).await;
        }
        webhooks.push(webhook);
    }
    let check = async || {
        let all = scene.deliveries(&DeliveryFilter::default()).await;
        for webhook in [None].into_iter().chain(webhooks.iter().copied().map(Some)) {
            for status in [None].into_iter().chain(DeliveryStatus::ALL.iter().copied().map(Some)) {
                let filter = DeliveryFilter { webhook, status, ..DeliveryFilter::default() };
                let expected = all.iter().filter(|one| webhook.is_none_or(|id| one.webhook_id == id));
                let expected =
                    expected.filter(|one| status.is_none_or(|status| one.state.status() == status));
                let expected: Vec<_> = expected.cloned().collect();
                assert_eq!(scene.deliveries(&filter).await, expected, "{filter:?}");
            }
        }
        all.iter().filter(|one| one.state.status() == in_flight).count()
    };
    assert_eq!(check().await, 4);
    scene.advance(DAY).await;
    assert_eq!(check().await, 0);
}
