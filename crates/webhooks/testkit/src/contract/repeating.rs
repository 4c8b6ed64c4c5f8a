//! Tests of events that are published again.

use std::sync::Arc;

use rdev_webhooks_domain::{Access, DeliveryFilter, DeliveryStatus, NewEvent, Published, Settled};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::Scene;

/// A key counts once within its project; no project counts as a project of its own. The other events in the
/// batch of a repeat are published.
pub async fn publish_takes_a_key_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    scene.webhook().await;
    let keyed = async |key: &str, project: Option<&str>| NewEvent {
        key: Some(key.parse().unwrap()),
        project: project.map(|name| name.parse().unwrap()),
        ..scene.new_event().await
    };
    let answer = |event: &NewEvent, duplicate| (event.id, 1, duplicate);
    let reported = |published: Vec<Published>| -> Vec<_> {
        published.iter().map(|one| (one.id, one.deliveries, one.duplicate)).collect()
    };

    let once = keyed("k", None).await;
    let repeat = keyed("k", None).await;
    let plain = scene.new_event().await;
    let batch = [once.clone(), repeat.clone(), plain.clone()];
    let published = scene.events.publish(&batch).await.unwrap();
    let expected = [answer(&once, false), answer(&once, true), answer(&plain, false)];
    assert_eq!(reported(published), expected);
    assert!(scene.events.get(Access::everything(), repeat.id).await.unwrap().is_none());

    // A repeat gets the first event's count, although there are more subscribers by now.
    let second = scene.webhook().await;
    let of_a = keyed("k", Some("a")).await;
    let of_b = keyed("k", Some("b")).await;
    let other_key = keyed("K", None).await;
    let batch =
        [keyed("k", None).await, of_a.clone(), of_b.clone(), keyed("k", Some("a")).await, other_key.clone()];
    let published = scene.events.publish(&batch).await.unwrap();
    let fresh = |event: &NewEvent| (event.id, 2, false);
    let repeat_of_a = (of_a.id, 2, true);
    let expected = [answer(&once, true), fresh(&of_a), fresh(&of_b), repeat_of_a, fresh(&other_key)];
    assert_eq!(reported(published), expected);
    assert!(!scene.receivers(once.id).await.contains(&second));
    let all = scene.deliveries(&DeliveryFilter::default()).await;
    assert_eq!(all.len(), 2 + 3 * 2);
    let record = scene.events.get(Access::everything(), once.id).await.unwrap().unwrap();
    assert_eq!(record.event.body, once.body);
}

/// Any number of concurrent publications of a key create one event, and the other events in their batches are
/// unaffected.
pub async fn concurrent_publishers_take_a_key_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut publishers = JoinSet::new();
    let start = Arc::new(tokio::sync::Barrier::new(8));
    for _ in 0..8 {
        let mut batch = Vec::new();
        for key in ["one", "shared", "two"] {
            let key = (key == "shared").then(|| key.parse().unwrap());
            batch.push(NewEvent { key, ..scene.new_event().await });
        }
        let (events, start) = (harness.events(), Arc::clone(&start));
        publishers.spawn(async move {
            start.wait().await;
            events.publish(&batch).await.unwrap()
        });
    }
    let answers = publishers.join_all().await;
    let shared: Vec<Published> = answers.iter().map(|answer| answer[1]).collect();
    let firsts: Vec<_> = shared.iter().filter(|one| !one.duplicate).collect();
    assert_eq!(firsts.len(), 1, "exactly one of them is the first");
    for one in &shared {
        assert_eq!((one.id, one.deliveries), (firsts[0].id, 1));
    }
    for answer in &answers {
        for beside in [answer[0], answer[2]] {
            assert!(!beside.duplicate && beside.deliveries == 1);
            assert_eq!(scene.receivers(beside.id).await, [webhook]);
        }
    }
    let all = scene.deliveries(&DeliveryFilter::default()).await;
    assert_eq!(all.len(), 8 * 2 + 1);
}

/// An event whose id is stored already is reported as a duplicate and left unchanged, although there are more
/// subscribers by now. The other events in the batch are published.
pub async fn publish_takes_an_id_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let plain = scene.new_event().await;
    let keyed = NewEvent { key: Some("k".parse().unwrap()), ..scene.new_event().await };
    let batch = [plain.clone(), keyed.clone()];
    let published = scene.events.publish(&batch).await.unwrap();
    assert!(published.iter().all(|one| !one.duplicate && one.deliveries == 1), "{published:?}");
    let leased = scene.claim(webhook, 1).await.remove(0);
    scene.settle_held(&leased, Settled::Succeeded).await;

    let second = scene.webhook().await;
    let fresh = scene.new_event().await;
    let batch = [NewEvent { body: "{}".into(), ..plain.clone() }, fresh.clone(), keyed.clone()];
    let again = scene.events.publish(&batch).await.unwrap();
    let reported: Vec<_> = again.iter().map(|one| (one.id, one.duplicate)).collect();
    assert_eq!(reported, [(plain.id, true), (fresh.id, false), (keyed.id, true)]);
    for event in [&plain, &keyed] {
        assert_eq!(scene.receivers(event.id).await, [webhook]);
        assert_eq!(
            scene.events.get(Access::everything(), event.id).await.unwrap().unwrap().event.body,
            event.body
        );
    }
    assert_eq!(scene.receivers(fresh.id).await.len(), 2);
    assert_eq!(scene.status(leased.lease.delivery).await, DeliveryStatus::Succeeded);
    assert!(scene.claim(second, 10).await.iter().all(|one| one.event_id == fresh.id));
}
