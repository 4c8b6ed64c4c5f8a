//! Tests of what a project-scoped caller sees and changes.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ports::{Cancellation, Redelivery, Rotated, Updated};
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{
    Access, DeliveryCounts, DeliveryFilter, DeliveryId, DeliveryStatus, EventFilter, EventId, FailureReason,
    NewEvent, PageRequest, ProjectName, RedeliveryRequest, SecretRotation, Settled, Target, Trigger,
    WebhookFilter, WebhookId,
};

use super::Harness;
use super::scene::{DAY, Scene, all_pages, first};
use crate::samples;

/// A name that needs careful quoting everywhere.
const ODD: &str = "b\"'{},\\ %_ é";

fn names(names: &[&str]) -> BTreeSet<ProjectName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Stores a webhook for all events of some projects.
async fn webhook(scene: &Scene<'_>, projects: &[&str]) -> WebhookId {
    let webhook =
        samples::with_settings(scene.new_webhook().await, |settings| settings.projects = names(projects));
    scene.create(&webhook).await;
    webhook.id
}

async fn publish(scene: &Scene<'_>, project: Option<&str>) -> EventId {
    let project = project.map(|name| name.parse().unwrap());
    let event = NewEvent { project, ..scene.new_event().await };
    scene.publish_one(&event).await.id
}

/// Creates webhooks of one project, of another, of both, and of none, oldest first.
async fn four_webhooks(scene: &Scene<'_>) -> [WebhookId; 4] {
    let of_a = webhook(scene, &["a"]).await;
    let of_b = webhook(scene, &[ODD]).await;
    let of_both = webhook(scene, &["a", ODD]).await;
    [of_a, of_b, of_both, webhook(scene, &[]).await]
}

/// A project-scoped caller sees the webhooks that receive only events of its projects.
pub async fn webhooks_are_shown_to_their_projects_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let [of_a, of_b, of_both, of_all] = four_webhooks(&scene).await;
    for (projects, expected) in [
        (&["a"][..], vec![of_a]),
        (&[ODD], vec![of_b]),
        (&["a", ODD], vec![of_both, of_b, of_a]),
        (&["a", "A", "c"], vec![of_a]),
        (&["c"], vec![]),
    ] {
        let (access, filter) = (samples::access(names(projects)), WebhookFilter::default());
        let fetch =
            async |page: PageRequest<WebhookId>| scene.webhooks.list(&access, &filter, page).await.unwrap();
        for id in [of_a, of_b, of_both, of_all] {
            let found = scene.webhooks.get(&access, id).await.unwrap();
            assert_eq!(found.is_some(), expected.contains(&id), "{projects:?}");
        }
        for limit in [1, 2, 10] {
            let paged = all_pages(limit, |webhook| webhook.id, fetch, async || {}).await;
            let paged: Vec<_> = paged.iter().map(|webhook| webhook.id).collect();
            assert_eq!(paged, expected, "{projects:?} in pages of {limit}");
        }
        let filter = WebhookFilter { project: Some("a".parse().unwrap()), ..filter };
        let of_theirs = scene.webhooks.list(&access, &filter, first(10)).await.unwrap().items;
        let takes_a: Vec<_> = expected.into_iter().filter(|id| [of_a, of_both].contains(id)).collect();
        assert_eq!(of_theirs.iter().map(|webhook| webhook.id).collect::<Vec<_>>(), takes_a);
    }
    let everything =
        scene.webhooks.list(Access::everything(), &WebhookFilter::default(), first(10)).await.unwrap();
    assert_eq!(everything.items[0].id, of_all);
    assert_eq!(everything.items.len(), 4);
}

/// A project-scoped caller sees the events of its projects, and counts of only the deliveries visible to it.
pub async fn events_are_shown_to_their_projects_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    four_webhooks(&scene).await;
    let mut events = Vec::new();
    for project in [Some("a"), Some(ODD), None, Some("a"), Some("c"), Some(ODD), Some("a")] {
        events.push(publish(&scene, project).await);
    }
    for (projects, expected, deliveries) in [
        (&["a"][..], vec![6, 3, 0], vec![1, 1, 1]),
        (&["a", ODD, "z"], vec![6, 5, 3, 1, 0], vec![2; 5]),
        (&["c"], vec![4], vec![0]),
        (&["z"], vec![], vec![]),
    ] {
        let (access, filter) = (samples::access(names(projects)), EventFilter::default());
        let expected: Vec<_> = expected.into_iter().map(|nth: usize| events[nth]).collect();
        let fetch =
            async |page: PageRequest<EventId>| scene.events.list(&access, &filter, page).await.unwrap();
        for id in &events {
            let found = scene.events.get(&access, *id).await.unwrap();
            let shown = expected.iter().zip(&deliveries).find(|(expected, _)| *expected == id);
            assert_eq!(found.map(|record| record.deliveries.total()), shown.map(|(_, total)| *total));
        }
        for limit in [1, 2, 10] {
            let paged = all_pages(limit, |record| record.event.id, fetch, async || {}).await;
            let ids: Vec<_> = paged.iter().map(|record| record.event.id).collect();
            assert_eq!(ids, expected, "{projects:?} in pages of {limit}");
            let totals: Vec<_> = paged.iter().map(|record| record.deliveries.total()).collect();
            assert_eq!(totals, deliveries, "{projects:?} in pages of {limit}");
        }
    }
    // Together with other filters.
    let (access, all) = (samples::access(names(&["a"])), EventFilter::default());
    for (filter, expected) in [
        (EventFilter { project: Some("a".parse().unwrap()), ..all.clone() }, 3),
        (EventFilter { project: Some(ODD.parse().unwrap()), ..all.clone() }, 0),
        (EventFilter { event_type: Some("command.completed".parse().unwrap()), ..all.clone() }, 3),
        (EventFilter { event_type: Some("command.failed".parse().unwrap()), ..all.clone() }, 0),
        (EventFilter { until: Some(events[3].time()), ..all.clone() }, 1),
        (EventFilter { since: Some(events[3].time()), ..all }, 2),
    ] {
        let listed = scene.events.list(&access, &filter, first(10)).await.unwrap();
        assert_eq!(listed.items.len(), expected, "{filter:?}");
    }
}

/// A project-scoped caller sees the deliveries of its projects' events to the webhooks visible to it,
/// whatever the state of either.
pub async fn deliveries_are_shown_to_their_projects_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let [of_a, of_b, of_both, of_all] = four_webhooks(&scene).await;
    // The webhook received everything at first, and now receives one project.
    let narrowed = webhook(&scene, &[]).await;
    let webhooks = [of_a, of_b, of_both, of_all, narrowed];
    let mut events = Vec::new();
    for project in [Some("a"), Some(ODD), None, Some("a")] {
        events.push(publish(&scene, project).await);
    }
    let now_of_a = names(&["a"]);
    scene.change(narrowed, |webhook| webhook.settings.projects = now_of_a).await;
    // One is finished, the other in flight. Deliveries of a deleted webhook are visible like others.
    let leased = scene.claim_for(of_a, 2, DAY).await;
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    scene.delete(of_both).await;

    let theirs = [(0, of_a), (3, of_a), (0, narrowed), (3, narrowed)];
    let others = [(0, of_both), (3, of_both), (1, of_both), (1, of_b), (1, narrowed)];
    let none = DeliveryFilter::default;
    let by_status = |status| DeliveryFilter { status: Some(status), ..none() };
    for (projects, filter, expected) in [
        (&["a"][..], none(), theirs.to_vec()),
        (&["a", ODD], none(), theirs.into_iter().chain(others).collect()),
        (&[ODD], none(), vec![(1, of_b)]),
        (&["c"], none(), vec![]),
        (&["a"], DeliveryFilter { webhook: Some(narrowed), ..none() }, vec![(0, narrowed), (3, narrowed)]),
        (&["a"], DeliveryFilter { webhook: Some(of_b), ..none() }, vec![]),
        (&["a"], DeliveryFilter { event: Some(events[3]), ..none() }, vec![(3, of_a), (3, narrowed)]),
        (&["a"], DeliveryFilter { event: Some(events[1]), ..none() }, vec![]),
        (&["a"], DeliveryFilter { project: Some(ODD.parse().unwrap()), ..none() }, vec![]),
        (
            &["a", ODD],
            DeliveryFilter { project: Some(ODD.parse().unwrap()), ..none() },
            vec![(1, of_both), (1, of_b), (1, narrowed)],
        ),
        (&["a"], DeliveryFilter { event_type: Some("command.failed".parse().unwrap()), ..none() }, vec![]),
        (&["a"], by_status(DeliveryStatus::Pending), vec![(0, narrowed), (3, narrowed)]),
        (&["a"], by_status(DeliveryStatus::Cancelled), vec![]),
        (&["a", ODD], by_status(DeliveryStatus::Cancelled), vec![(0, of_both), (3, of_both), (1, of_both)]),
        (&["a"], DeliveryFilter { since: Some(events[3].time()), ..none() }, vec![(3, of_a), (3, narrowed)]),
    ] {
        let access = samples::access(names(projects));
        let mut expected: Vec<_> =
            expected.into_iter().map(|(nth, webhook)| DeliveryId::derive(events[nth], webhook)).collect();
        expected.sort_unstable_by(|one, other| other.cmp(one));
        let fetch =
            async |page: PageRequest<DeliveryId>| scene.history.list(&access, &filter, page).await.unwrap();
        if filter == none() {
            for (event, webhook) in events.iter().flat_map(|event| webhooks.map(|webhook| (*event, webhook)))
            {
                let id = DeliveryId::derive(event, webhook);
                let found = scene.history.get(&access, id).await.unwrap();
                assert_eq!(found.is_some(), expected.contains(&id), "{projects:?} {id}");
            }
        }
        for limit in [1, 2, 20] {
            let paged = all_pages(limit, |delivery| delivery.id, fetch, async || {}).await;
            let ids: Vec<_> = paged.iter().map(|delivery| delivery.id).collect();
            assert_eq!(ids, expected, "{filter:?} in pages of {limit}");
            for delivery in paged {
                assert_eq!(delivery, scene.delivery(delivery.id).await);
            }
        }
    }
    for status in [DeliveryStatus::Succeeded, DeliveryStatus::InFlight] {
        let access = samples::access(names(&["a"]));
        let listed = scene.history.list(&access, &by_status(status), first(10)).await.unwrap().items;
        assert_eq!(listed.iter().map(|delivery| delivery.webhook_id).collect::<Vec<_>>(), [of_a]);
    }
}

/// The count of an event's deliveries contains only those visible to a project-scoped caller.
pub async fn deliveries_are_counted_for_their_projects_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let [of_a, _, of_both, _] = four_webhooks(&scene).await;
    let one = publish(&scene, Some("a")).await;
    let other = publish(&scene, Some(ODD)).await;
    let nobodys = scene.new_event().await.id;
    let leased = scene.claim(of_a, 1).await;
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    scene.delete(of_both).await;
    let counts = |succeeded, pending, cancelled| DeliveryCounts {
        succeeded,
        pending,
        cancelled,
        ..DeliveryCounts::default()
    };
    for (projects, expected) in [
        (&["a"][..], [counts(0, 0, 0), counts(0, 0, 0), counts(1, 0, 0)]),
        (&["a", ODD], [counts(0, 1, 1), counts(0, 0, 0), counts(1, 0, 1)]),
        (&["c"], [counts(0, 0, 0); 3]),
    ] {
        let access = samples::access(names(projects));
        let counted = scene.events.count_deliveries(&access, &[other, nobodys, one]).await.unwrap();
        assert_eq!(counted, expected, "{projects:?}");
    }
    for access in [Access::everything(), &samples::access(names(&["a"]))] {
        assert_eq!(scene.events.count_deliveries(access, &[]).await.unwrap(), []);
    }
    let counted = scene.events.count_deliveries(Access::everything(), &[one]).await.unwrap();
    assert_eq!(counted.iter().map(DeliveryCounts::total).collect::<Vec<_>>(), [3]);
    assert_eq!(scene.events.get(Access::everything(), one).await.unwrap().unwrap().deliveries.total(), 3);
}

/// A webhook is deleted, and its secret rotated, only if it is visible to the caller. A webhook that has just
/// been moved to other projects is not.
pub async fn who_sees_no_webhook_changes_none(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let [of_a, of_b, of_both, of_all] = four_webhooks(&scene).await;
    let rotation = async || SecretRotation {
        secret: samples::secret(&scene.entropy, SigningScheme::HmacSha256),
        previous_until: None,
        at: scene.moment().await,
        versions: None,
    };
    for (id, projects) in
        [(of_a, &[ODD][..]), (of_b, &["a", "c"]), (of_both, &["a"]), (of_all, &["a", ODD]), (of_a, &[])]
    {
        let access = samples::access(names(projects));
        let before = scene.webhooks.get(Access::everything(), id).await.unwrap();
        let rotated = scene.webhooks.rotate_secret(&access, id, &rotation().await).await.unwrap();
        assert_eq!(rotated, Rotated::NotFound, "{projects:?}");
        for versions in [None, Some(&[7][..])] {
            let deleted = scene.webhooks.delete(&access, id, versions).await.unwrap();
            assert_eq!(deleted, Updated::NotFound, "{projects:?}");
        }
        assert_eq!(scene.webhooks.get(Access::everything(), id).await.unwrap(), before);
        scene.publish_to(id).await;
        assert_eq!(scene.claim_one(id).await.target.version, 1, "it receives deliveries as before");
    }
    for (id, projects) in [(of_a, &["a"][..]), (of_b, &["a", ODD, "c"]), (of_both, &["a", ODD])] {
        let access = samples::access(names(projects));
        let rotated = scene.webhooks.rotate_secret(&access, id, &rotation().await).await.unwrap();
        assert!(matches!(rotated, Rotated::Applied(_)), "{projects:?}: {rotated:?}");
        for expected in [Updated::Applied, Updated::NotFound] {
            let deleted = scene.webhooks.delete(&access, id, None).await.unwrap();
            assert_eq!(deleted, expected, "{projects:?}");
        }
    }
}

/// A delivery is cancelled or redelivered, waiting or finished, only if its event and its webhook are visible
/// to the caller. A webhook that has just been moved to other projects is not.
pub async fn who_sees_no_delivery_changes_none(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let request = RedeliveryRequest::from(Trigger::Manual);
    let to = async |webhook: WebhookId, project: Option<&str>| {
        let project = project.map(|name| name.parse().unwrap());
        let event = NewEvent { project, target: Target::Webhook(webhook), ..scene.new_event().await };
        DeliveryId::derive(scene.publish_one(&event).await.id, webhook)
    };
    for ended in [false, true] {
        let [of_a, of_b, of_both, of_all] = four_webhooks(&scene).await;
        let mut ids = Vec::new();
        for (webhook, project) in
            [(of_a, Some("a")), (of_b, Some("a")), (of_both, Some(ODD)), (of_all, Some("a")), (of_a, None)]
        {
            let id = to(webhook, project).await;
            if ended {
                let leased = scene.claim_one(webhook).await;
                scene.settle_held(&leased, Settled::Failed(FailureReason::AttemptsExhausted)).await;
            }
            ids.push(id);
        }
        for (nth, projects) in
            [(0, &[ODD][..]), (0, &[]), (1, &["a"]), (2, &["a"]), (2, &[ODD]), (3, &["a", ODD]), (4, &["a"])]
        {
            let before = scene.delivery(ids[nth]).await;
            let access = samples::access(names(projects));
            let answer = scene.queue.redeliver(&access, ids[nth], &request).await.unwrap();
            assert_eq!(answer, None, "{nth} {projects:?}");
            let answer = scene.queue.cancel(&access, ids[nth]).await.unwrap();
            assert_eq!(answer, None, "{nth} {projects:?}");
            assert_eq!(scene.delivery(ids[nth]).await, before);
        }
        for (nth, projects) in [(0, &["a"][..]), (1, &["a", ODD]), (2, &["a", ODD, "c"])] {
            let (id, access) = (ids[nth], samples::access(names(projects)));
            if ended {
                let answer = scene.queue.cancel(&access, id).await.unwrap();
                assert_eq!(answer, Some(Cancellation::Ended), "{nth}");
            }
            let answer = scene.queue.redeliver(&access, id, &request).await.unwrap();
            assert!(matches!(answer, Some(Redelivery::Queued(_))), "{nth}: {answer:?}");
            let answer = scene.queue.cancel(&access, id).await.unwrap();
            assert!(matches!(answer, Some(Cancellation::Cancelled(_))), "{nth}: {answer:?}");
        }
        // Deliveries of a deleted webhook are as visible as before.
        for (projects, expected) in [(&["a"][..], Some(Redelivery::WebhookDeleted)), (&[ODD], None)] {
            scene.webhooks.delete(Access::everything(), of_a, None).await.unwrap();
            let access = samples::access(names(projects));
            let answer = scene.queue.redeliver(&access, ids[0], &request).await.unwrap();
            assert_eq!(answer, expected);
        }
        for webhook in [of_b, of_both, of_all] {
            scene.delete(webhook).await;
        }
    }
}
