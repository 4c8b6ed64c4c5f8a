//! Tests of `EventRepository::publish`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryId, DeliveryState, DisabledReason, Event, NewEvent, PageRequest,
    PublishOutcome, Published, Target, WakeUp, Webhook, WebhookId, WebhookState,
};

use super::Harness;
use super::scene::{Scene, assert_near};
use crate::samples;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// An event is stored unchanged, with one delivery for each subscriber, due at once. The results of a batch
/// of a thousand are in order. An event without subscribers is stored too.
pub async fn publish_stores_the_event_and_a_delivery_for_each_subscriber(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhooks = [scene.webhook().await, scene.webhook().await];
    let event = NewEvent {
        key: Some("order-1".parse().unwrap()),
        project: Some("Projekt é".parse().unwrap()),
        timestamp: "2025-01-15T10:30:00.123456Z".parse().unwrap(),
        body: "{\"event\":\"x\",\"data\":\"é \\u0000 \u{1f980}\"}".into(),
        traceparent: Some(TRACE.parse().unwrap()),
        ..scene.new_event().await
    };
    let published = scene.publish_one(&event).await;
    let expected = Published { id: event.id, deliveries: 2, visible_deliveries: 2, duplicate: false };
    assert_eq!(published, expected);

    let record = scene.events.get(Access::everything(), event.id).await.unwrap().unwrap();
    let stored = Event {
        id: event.id,
        key: event.key.clone(),
        event_type: event.event_type.clone(),
        project: event.project.clone(),
        timestamp: event.timestamp,
        body: event.body.clone(),
    };
    assert_eq!(record.event, stored);
    assert_eq!(record.deliveries.pending, 2);
    assert_eq!(record.deliveries.total(), 2);

    for webhook in webhooks {
        let id = DeliveryId::derive(event.id, webhook);
        let record = scene.history.get(Access::everything(), id).await.unwrap().unwrap();
        assert_eq!((&record.body, record.traceparent), (&event.body, event.traceparent));
        let delivery = record.delivery;
        assert_eq!((delivery.id, delivery.event_id), (id, event.id));
        assert_eq!((delivery.webhook_id, delivery.attempts), (webhook, 0));
        assert_eq!(delivery.event_type, event.event_type);
        assert_eq!(delivery.project, event.project);
        let DeliveryState::Pending { due_at } = delivery.state else {
            panic!("a new delivery is {:?}", delivery.state);
        };
        assert_near(due_at, scene.now().await);
        assert_eq!(scene.claim_one(webhook).await.lease.delivery, id);
    }

    let mut batch = Vec::new();
    for _ in 0..1_000 {
        batch.push(scene.new_event().await);
    }
    let published = scene.events.publish(&batch).await.unwrap();
    let expected = batch.iter().map(|event| Published {
        id: event.id,
        deliveries: 2,
        visible_deliveries: 2,
        duplicate: false,
    });
    assert_eq!(published, expected.collect::<Vec<_>>());
    assert_eq!(scene.deliveries(&DeliveryFilter::default()).await.len(), 2_002);

    assert_eq!(scene.events.publish(&[]).await.unwrap(), []);
    for webhook in webhooks {
        scene.delete(webhook).await;
    }
    let unwanted = scene.new_event().await;
    assert_eq!(scene.publish_one(&unwanted).await.deliveries, 0);
    assert!(scene.events.get(Access::everything(), unwanted.id).await.unwrap().is_some());
}

/// Patterns and projects select the receivers of an event. A webhook that matches twice gets it once, and a
/// disabled or deleted webhook does not get it.
pub async fn publish_reaches_just_those_that_want_it(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let everything = scene.new_webhook().await;
    let exact = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["command.completed"]);
    });
    let twice = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["command.completed", "command.*", "*"]);
        settings.projects = samples::projects(["a", "b"]);
    });
    let prefix = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["command.*"]);
    });
    let other_project = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.projects = samples::projects(["b"]);
    });
    let disabled = Webhook {
        state: WebhookState::Disabled { reason: DisabledReason::Manual, since: scene.now().await },
        ..scene.new_webhook().await
    };
    let deleted = scene.new_webhook().await;
    for webhook in [&everything, &exact, &twice, &prefix, &other_project, &disabled, &deleted] {
        scene.create(webhook).await;
    }
    scene.delete(deleted.id).await;

    for (event_type, project, expected) in [
        ("command.completed", Some("a"), vec![&everything, &exact, &twice, &prefix]),
        ("command.completed", Some("b"), vec![&everything, &exact, &twice, &prefix, &other_project]),
        ("command.completed", Some("A"), vec![&everything, &exact, &prefix]),
        ("command.completed", None, vec![&everything, &exact, &prefix]),
        ("command.completed.late", None, vec![&everything, &prefix]),
        ("Command.completed", None, vec![&everything]),
        ("commander.completed", None, vec![&everything]),
        ("command", Some("a"), vec![&everything, &twice]),
    ] {
        let event = NewEvent {
            event_type: event_type.parse().unwrap(),
            project: project.map(|name| name.parse().unwrap()),
            ..scene.new_event().await
        };
        let published = scene.publish_one(&event).await;
        let expected: Vec<_> = expected.iter().map(|webhook| webhook.id).collect();
        let receivers = scene.receivers(event.id).await;
        assert_eq!(receivers, expected, "{event_type} of {project:?}");
        assert_eq!(published.deliveries as usize, expected.len());
    }
}

/// Events whose new deliveries exceed the limit leave nothing behind, neither events nor keys, and the answer
/// gives the number of deliveries of each. Events that were stored before add nothing to the count.
pub async fn publish_stores_nothing_over_its_limit(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for _ in 0..3 {
        scene.webhook().await;
    }
    let twice = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["command.completed", "command.*"]);
        settings.projects = samples::projects(["a", "b"]);
    });
    scene.create(&twice).await;
    let keyed = NewEvent { key: Some("k".parse().unwrap()), ..scene.new_event().await };
    let repeat = NewEvent { id: scene.new_event().await.id, ..keyed.clone() };
    let of_a = NewEvent { project: Some("a".parse().unwrap()), ..scene.new_event().await };
    let plain = [scene.new_event().await, of_a.clone()];
    let mixed = [scene.new_event().await, keyed.clone(), repeat, of_a];

    for (batch, counts) in [(&plain[..], vec![3, 4]), (&mixed[..], vec![3, 3, 0, 4])] {
        let total: u32 = counts.iter().sum();
        for limit in [0, 1, total - 1] {
            let outcome = scene.events.publish_within(batch, limit).await.unwrap();
            let PublishOutcome::TooLarge(reported) = outcome else { panic!("{outcome:?} within {limit}") };
            // Beyond the limit, the count may stop.
            assert_eq!(reported.len(), counts.len(), "{reported:?}");
            assert!(reported.iter().zip(&counts).all(|(reported, count)| reported <= count), "{reported:?}");
            assert!(reported.iter().sum::<u32>() > limit, "{reported:?} within {limit}");
            if limit == total - 1 {
                assert_eq!(reported, counts);
            }
            for event in batch {
                assert!(scene.events.get(Access::everything(), event.id).await.unwrap().is_none());
            }
        }
    }
    assert_eq!(scene.deliveries(&DeliveryFilter::default()).await.len(), 0);

    let outcome = scene.events.publish_within(&mixed, 10).await.unwrap();
    let PublishOutcome::Stored(published) = outcome else { panic!("{outcome:?}") };
    let reported: Vec<_> = published.iter().map(|one| (one.deliveries, one.duplicate)).collect();
    assert_eq!(reported, [(3, false), (3, false), (3, true), (4, false)]);
    // The key is used already, so the event adds nothing, whatever the limit.
    let again = NewEvent { id: scene.new_event().await.id, ..keyed.clone() };
    let outcome = scene.events.publish_within(&[again], 0).await.unwrap();
    let PublishOutcome::Stored(published) = outcome else { panic!("{outcome:?}") };
    assert_eq!((published[0].id, published[0].deliveries, published[0].duplicate), (keyed.id, 3, true));

    let nobody = NewEvent { event_type: "other".parse().unwrap(), ..scene.new_event().await };
    let everybody: Vec<_> = scene
        .webhooks
        .list(Access::everything(), &Default::default(), PageRequest { limit: 10, before: None })
        .await
        .unwrap()
        .items
        .iter()
        .map(|webhook| webhook.id)
        .collect();
    for webhook in everybody {
        scene.delete(webhook).await;
    }
    let outcome = scene.events.publish_within(&[nobody], 0).await.unwrap();
    assert!(matches!(outcome, PublishOutcome::Stored(_)), "{outcome:?}");
}

/// A project-scoped producer gets the number of deliveries to webhooks that are visible to it, also in a
/// batch with events of others. A repeat gets the current number.
pub async fn publish_counts_the_visible_deliveries(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<_>>();
    for projects in [&["a"][..], &["a", "b"], &["a", "c"], &["b"], &[]] {
        let projects = names(projects);
        scene
            .create(&samples::with_settings(scene.new_webhook().await, |settings| {
                settings.projects = projects;
            }))
            .await;
    }
    let limited = |projects: &[&str]| Some(Arc::new(samples::access(names(projects))));
    let event = async |project: &str, key: Option<&str>, producer| NewEvent {
        project: Some(project.parse().unwrap()),
        key: key.map(|key| key.parse().unwrap()),
        producer,
        ..scene.new_event().await
    };
    for key in [None, Some("k")] {
        let batch = [
            event("a", key, limited(&["a"])).await,
            event("a", None, limited(&["a", "b"])).await,
            event("b", key, limited(&["b"])).await,
            event("a", None, None).await,
            event("c", key, limited(&["x"])).await,
        ];
        let published = scene.events.publish(&batch).await.unwrap();
        let reported: Vec<_> = published.iter().map(|one| (one.deliveries, one.visible_deliveries)).collect();
        assert_eq!(reported, [(4, 1), (4, 2), (3, 1), (4, 4), (2, 0)], "{key:?}");
    }
    let repeat = event("a", Some("k"), limited(&["a", "b"])).await;
    let published = scene.events.publish(&[repeat]).await.unwrap();
    assert_eq!((published[0].deliveries, published[0].visible_deliveries), (4, 2));
    assert!(published[0].duplicate);
}

/// A targeted event reaches only its webhook, whatever that subscribes to, unless the webhook is disabled or
/// missing.
pub async fn publish_to_one_webhook_reaches_it_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let everything = scene.webhook().await;
    let narrow = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["other"]);
        settings.projects = samples::projects(["other"]);
    });
    scene.create(&narrow).await;
    let targeted = async || NewEvent { target: Target::Webhook(narrow.id), ..scene.new_event().await };

    let event = targeted().await;
    assert_eq!(scene.publish_one(&event).await.deliveries, 1);
    assert_eq!(scene.receivers(event.id).await, [narrow.id]);
    assert_eq!(scene.claim_one(narrow.id).await.event_id, event.id);
    assert!(scene.claim(everything, 1).await.is_empty());

    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let disabled = WebhookState::Disabled { reason, since };
    scene.change(narrow.id, |webhook| webhook.state = disabled).await;
    assert_eq!(scene.publish_one(&targeted().await).await.deliveries, 0);
    scene.delete(narrow.id).await;
    let event = targeted().await;
    assert_eq!(scene.publish_one(&event).await.deliveries, 0);
    assert_eq!(scene.receivers(event.id).await, []);
    assert!(scene.events.get(Access::everything(), event.id).await.unwrap().is_some());
}

/// An event for one version of a webhook reaches no other version, in a batch or alone.
pub async fn publish_to_a_version_reaches_no_other(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.change(webhook, |webhook| webhook.settings.description = None).await;
    let at =
        async |version| NewEvent { target: Target::WebhookAt(webhook, version), ..scene.new_event().await };
    for (version, deliveries) in [(1, 0), (2, 1), (3, 0), (u64::MAX, 0)] {
        assert_eq!(scene.publish_one(&at(version).await).await.deliveries, deliveries, "{version}");
    }
    let to_any = NewEvent { target: Target::Webhook(webhook), ..scene.new_event().await };
    let batch = [at(1).await, at(2).await, to_any, at(3).await, scene.new_event().await];
    let published = scene.events.publish(&batch).await.unwrap();
    assert_eq!(published.iter().map(|one| one.deliveries).collect::<Vec<_>>(), [0, 1, 1, 0, 1]);
    for (event, published) in batch.iter().zip(published) {
        assert_eq!(scene.receivers(event.id).await.len(), published.deliveries as usize);
    }
    scene.change(webhook, |webhook| webhook.settings.description = None).await;
    assert_eq!(scene.publish_one(&at(2).await).await.deliveries, 0);
    assert_eq!(scene.publish_one(&at(3).await).await.deliveries, 1);
}

/// Publishing wakes a worker of the same process, whether it waits already or begins to wait later.
pub async fn publishing_wakes_a_waiting_worker(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    scene.webhook().await;
    let publish = async || {
        scene.publish().await;
    };
    scene.expect_wake_ups(publish).await;
}

/// A wake-up that names webhooks names all that have new deliveries since the last one, and is not for anything but new
/// deliveries.
pub async fn a_wake_up_covers_all_that_is_new(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, other) = (scene.webhook().await, scene.webhook().await);
    // A wake-up may come after the answer to what causes it.
    let until = async |expected: &[WebhookId]| {
        let mut announced = scene.wakes().await;
        while let WakeUp::Webhooks(named) = &announced
            && !expected.iter().all(|webhook| named.contains(webhook))
        {
            announced = scene.wakes().await.after(Some(announced));
        }
    };
    scene.quieten().await;
    let only_one = NewEvent { target: Target::Webhook(one), ..scene.new_event().await };
    scene.publish_one(&only_one).await;
    until(&[one]).await;
    scene.publish_one(&NewEvent { id: scene.new_event().await.id, ..only_one.clone() }).await;
    scene.publish().await;
    until(&[one, other]).await;

    // What was queued before is claimable again.
    let leased = scene.claim(one, 1).await;
    scene.quieten().await;
    scene.queue.release(&[leased[0].lease]).await.unwrap();
    assert_eq!(scene.wakes().await, WakeUp::Any);
}
