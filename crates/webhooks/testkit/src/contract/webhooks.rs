//! Tests of `WebhookRepository`.

use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Redelivery, Updated};
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{
    Access, BodyFormat, CustomHeaders, DeliveryId, DeliveryStatus, DisabledReason, EventId, NewEvent,
    PageRequest, RateLimit, RetryPolicy, Settled, SigningSecrets, Trigger, Webhook, WebhookFilter, WebhookId,
    WebhookState,
};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, HOUR, Scene, all_pages, first};
use crate::samples;

/// Returns a webhook that differs from the sample in every field except the id and the version.
async fn unusual(scene: &Scene<'_>) -> Webhook {
    let mut headers = CustomHeaders::default();
    headers.insert("x-token", "s3cret: \"value\"\twith; odd,, characters ").unwrap();
    headers.insert("authorization", "Basic dXNlcjpwYXNz").unwrap();
    headers.insert("x-empty", "").unwrap();
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    samples::with_settings(
        Webhook {
            state: WebhookState::Disabled {
                reason: DisabledReason::Failing,
                since: "2025-01-15T10:30:00.654321Z".parse().unwrap(),
            },
            created_at: scene.now().await - week + Duration::from_micros(1),
            updated_at: scene.now().await - HOUR + Duration::from_micros(7),
            ..scene.new_webhook().await
        },
        |settings| {
            settings.url = "http://user-agent.example:8443/a/b%20c?d=e&f='g'".parse().unwrap();
            settings.description = Some("Ünïcödé 🦀, 'quotes' and\nlines".to_owned());
            for (key, value) in
                [("tenant", "Ünïcödé 🦀, 'quotes',\n\t\"and\" \\lines"), ("a.b", ""), ("'\" \\", "é")]
            {
                settings.metadata.insert(key.to_owned(), value.to_owned()).unwrap();
            }
            settings.events = samples::patterns(["command.*", "command.completed", "other_1.two"]);
            settings.projects = samples::projects(["my-project", "Projekt é", "100%_"]);
            settings.headers = headers;
            settings.retry =
                RetryPolicy::exponential(7, Duration::from_millis(1_250), 1.7, Duration::from_secs(3_600))
                    .unwrap();
            settings.timeout = Some(Duration::from_millis(7_250));
            settings.rate_limit = RateLimit::per_second(0.3);
            settings.max_in_flight = NonZeroU32::new(3);
            settings.format = BodyFormat::CloudEvents;
            settings.signing = SigningScheme::Ed25519;
            settings.expires_at = Some("2035-01-15T10:30:00.654321Z".parse().unwrap());
        },
    )
}

async fn stored(scene: &Scene<'_>, id: WebhookId) -> Webhook {
    let webhook = scene.webhooks.get(Access::everything(), id).await.unwrap();
    webhook.expect("the webhook exists")
}

/// Every field reads back unchanged, from `get` and in a list, with and without optional fields.
pub async fn a_webhook_is_kept_exactly(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let plain = scene.new_webhook().await;
    let scheduled = samples::with_settings(
        Webhook {
            state: WebhookState::Disabled { reason: DisabledReason::Manual, since: scene.now().await },
            ..scene.new_webhook().await
        },
        |settings| {
            settings.retry =
                RetryPolicy::schedule(vec![Duration::ZERO, Duration::from_millis(1), DAY]).unwrap();
        },
    );
    let single = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.retry = RetryPolicy::schedule(vec![]).unwrap();
    });
    let unusual = unusual(&scene).await;
    for webhook in [&plain, &scheduled, &single] {
        scene.create(webhook).await;
    }
    let until = scene.now().await + DAY + Duration::from_micros(3);
    let key_pair = || samples::secret(&scene.entropy, SigningScheme::Ed25519);
    let secrets = SigningSecrets::new(key_pair()).rotated(key_pair(), Some(until));
    let mut unusual = unusual;
    unusual.set_public_keys(&secrets);
    assert!(unusual.public_key.is_some() && unusual.previous_secret.is_some());
    scene.webhooks.create(&unusual, &secrets).await.unwrap();
    for webhook in [&plain, &scheduled, &single, &unusual] {
        assert_eq!(stored(&scene, webhook.id).await, *webhook);
    }
    let filter = WebhookFilter::default();
    let listed = scene.webhooks.list(Access::everything(), &filter, first(10)).await.unwrap();
    assert_eq!(listed.items, [unusual, single, scheduled, plain]);
    assert!(!listed.has_more);
}

/// An existing webhook stays unchanged, its secret too, and a deleted one stays deleted.
pub async fn a_webhook_is_created_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let first = scene.new_webhook().await;
    scene.create(&first).await;
    scene.publish().await;
    let before = scene.claim_one(first.id).await.target;
    let changed =
        scene.change(first.id, |webhook| webhook.settings.description = Some("changed".to_owned())).await;
    scene
        .create(&samples::with_settings(first.clone(), |settings| {
            settings.events = samples::patterns(["other"]);
        }))
        .await;
    assert_eq!(stored(&scene, first.id).await, changed);
    scene.publish().await;
    let after = scene.claim_one(first.id).await.target;
    assert!(after.secrets.current == before.secrets.current, "the first secret is kept");

    scene.delete(first.id).await;
    scene.create(&first).await;
    assert_eq!(scene.webhooks.get(Access::everything(), first.id).await.unwrap(), None);
    let published = scene.events.publish(&[scene.new_event().await]).await.unwrap();
    assert_eq!(published[0].deliveries, 0);
}

/// Pages join without gaps and repetitions while webhooks are added. Deleted webhooks are not listed.
pub async fn webhooks_are_paged_newest_first(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(scene.webhook().await);
    }
    let deleted = expected.remove(3);
    scene.delete(deleted).await;
    expected.reverse();

    let filter = WebhookFilter::default();
    let fetch = async |page: PageRequest<WebhookId>| {
        scene.webhooks.list(Access::everything(), &filter, page).await.unwrap()
    };
    let add = async || {
        scene.webhook().await;
    };
    for limit in [1, 2, 4, 100] {
        let before = first(100);
        let known = fetch(before).await.items;
        let paged = all_pages(limit, |webhook| webhook.id, fetch, add).await;
        assert_eq!(paged, known, "in pages of {limit}");
    }
    let oldest = fetch(first(100)).await.items;
    let ids: Vec<_> = oldest.iter().rev().take(6).rev().map(|one| one.id).collect();
    assert_eq!(ids, expected);
}

/// Each filter is applied, alone and together with others.
pub async fn webhooks_are_filtered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let everything = scene.new_webhook().await;
    let of_a = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.projects = samples::projects(["a", "b"]);
    });
    let commands = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.events = samples::patterns(["command.*", "command.failed"]);
    });
    let disabled = samples::with_settings(
        Webhook {
            state: WebhookState::Disabled { reason: DisabledReason::Gone, since: scene.now().await },
            ..scene.new_webhook().await
        },
        |settings| {
            settings.events = samples::patterns(["command.failed"]);
            settings.projects = samples::projects(["c"]);
        },
    );
    for webhook in [&everything, &of_a, &commands, &disabled] {
        scene.create(webhook).await;
    }
    for (event_type, enabled, project, expected) in [
        (None, None, None, vec![&disabled, &commands, &of_a, &everything]),
        (Some("command.failed"), None, None, vec![&disabled, &commands, &of_a, &everything]),
        (Some("command.started"), None, None, vec![&commands, &of_a, &everything]),
        (Some("commands"), None, None, vec![&of_a, &everything]),
        (None, Some(true), None, vec![&commands, &of_a, &everything]),
        (None, Some(false), None, vec![&disabled]),
        (None, None, Some("a"), vec![&commands, &of_a, &everything]),
        (None, None, Some("c"), vec![&disabled, &commands, &everything]),
        (None, None, Some("nobody's"), vec![&commands, &everything]),
        (Some("command.failed"), Some(false), Some("c"), vec![&disabled]),
        (Some("command.started"), Some(false), Some("c"), vec![]),
        (Some("command.failed"), Some(true), Some("b"), vec![&commands, &of_a, &everything]),
    ] {
        let filter = WebhookFilter {
            event_type: event_type.map(|name| name.parse().unwrap()),
            enabled,
            project: project.map(|name| name.parse().unwrap()),
            ..WebhookFilter::default()
        };
        let listed = scene.webhooks.list(Access::everything(), &filter, first(10)).await.unwrap();
        let ids: Vec<_> = listed.items.iter().map(|one| one.id).collect();
        let expected: Vec<_> = expected.iter().map(|one| one.id).collect();
        assert_eq!(ids, expected, "{filter:?}");
        // A page is full of matching webhooks, however many do not match.
        let one = scene.webhooks.list(Access::everything(), &filter, first(1)).await.unwrap();
        assert_eq!(one.items.len(), expected.len().min(1));
        assert_eq!(one.has_more, expected.len() > 1, "{filter:?}");
    }
}

/// An update replaces every field, whether values are added, changed or removed.
pub async fn an_update_replaces_every_field(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let plain = scene.new_webhook().await;
    scene.create(&plain).await;
    let unusual = unusual(&scene).await;
    for (version, fields) in [(2, &unusual), (3, &plain), (4, &unusual)] {
        let next = samples::with_settings(
            Webhook {
                id: plain.id,
                created_at: plain.created_at,
                public_key: plain.public_key,
                previous_secret: plain.previous_secret,
                version,
                ..fields.clone()
            },
            |settings| settings.signing = plain.settings.signing,
        );
        assert_eq!(scene.webhooks.update(&next).await.unwrap(), Updated::Applied);
        assert_eq!(stored(&scene, plain.id).await, next);
    }
}

/// An update based on another version than the stored one changes nothing.
pub async fn an_update_of_an_old_version_is_refused(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    let kept = scene.change(id, |_| {}).await;
    assert_eq!(kept.version, 2);
    for version in [1, 2, 4, 100] {
        let update = samples::with_settings(Webhook { version, ..kept.clone() }, |settings| {
            settings.description = Some("lost".to_owned());
            settings.events = samples::patterns(["lost"]);
        });
        let refused = scene.webhooks.update(&update).await.unwrap();
        assert_eq!(refused, Updated::VersionMismatch, "{version}");
        assert_eq!(stored(&scene, id).await, kept);
    }
    assert_eq!(scene.receivers(scene.publish().await).await, [id]);
}

/// Of many concurrent updates of one version, one is applied.
pub async fn concurrent_updates_of_a_version_apply_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    let before = stored(&scene, id).await;
    let mut updates = JoinSet::new();
    for n in 0..8 {
        let update = samples::with_settings(Webhook { version: 2, ..before.clone() }, |settings| {
            settings.description = Some(n.to_string());
            settings.events = samples::patterns([["a", "b", "c", "d", "e", "f", "g", "h"][n]]);
        });
        let webhooks = harness.webhooks();
        updates.spawn(async move { (webhooks.update(&update).await.unwrap(), update) });
    }
    let answers = updates.join_all().await;
    let (applied, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(updated, _)| *updated == Updated::Applied);
    assert_eq!(applied.len(), 1);
    assert!(refused.iter().all(|(updated, _)| *updated == Updated::VersionMismatch));
    assert_eq!(stored(&scene, id).await, applied[0].1);
}

/// Deliveries published before an update are sent by its settings. Events published after it go to the
/// webhooks that the update selects.
pub async fn an_update_applies_to_what_is_claimed_after_it(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    let waiting = scene.publish_to(id).await;
    let changed = scene
        .change(id, |webhook| {
            webhook.settings.url = "https://example.com/moved".parse().unwrap();
            webhook.settings.events = samples::patterns(["other.*"]);
            webhook.settings.headers.insert("x-new", "value").unwrap();
            webhook.settings.retry = RetryPolicy::schedule(vec![HOUR]).unwrap();
            webhook.settings.timeout = Some(Duration::from_secs(3));
        })
        .await;
    let leased = scene.claim_one(id).await;
    assert_eq!(leased.lease.delivery, waiting);
    assert_eq!(leased.target.version, 2);
    assert_eq!(leased.target.url, changed.settings.url);
    assert_eq!(leased.target.headers, changed.settings.headers);
    assert_eq!(leased.target.retry, changed.settings.retry);
    assert_eq!(leased.target.timeout, changed.settings.timeout);

    assert_eq!(scene.receivers(scene.publish().await).await, []);
    let other = NewEvent { event_type: "other.thing".parse().unwrap(), ..scene.new_event().await };
    scene.publish_one(&other).await;
    assert_eq!(scene.receivers(other.id).await, [id]);
}

/// A disabled webhook's deliveries wait, however long, and continue when it is enabled.
pub async fn a_disabled_webhook_holds_its_deliveries(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    let retrying = scene.publish_to(id).await;
    let leased = scene.claim_one(id).await;
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;
    let pending = scene.publish_to(id).await;
    let in_flight = scene.claim_one(id).await;
    assert_eq!(in_flight.lease.delivery, pending);

    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let disabled = WebhookState::Disabled { reason, since };
    scene.change(id, |webhook| webhook.state = disabled).await;
    // A delivery in flight may still be settled or released.
    scene.queue.release(&[in_flight.lease]).await.unwrap();
    scene.advance(DAY).await;
    assert!(scene.claim(id, 10).await.is_empty());
    assert!(scene.queue.discover(None, 10).await.unwrap().due.is_empty());
    assert_eq!(scene.status(pending).await, DeliveryStatus::Pending);
    assert_eq!(scene.status(retrying).await, DeliveryStatus::Retrying);
    assert_eq!(scene.receivers(scene.publish().await).await, []);

    scene.change(id, |webhook| webhook.state = WebhookState::Enabled).await;
    let discovery = scene.queue.discover(None, 10).await.unwrap();
    assert_eq!(discovery.due.len(), 1);
    let claimed = scene.claim(id, 10).await;
    let mut claimed: Vec<_> = claimed.iter().map(|one| one.lease.delivery).collect();
    claimed.sort_unstable();
    assert_eq!(claimed, [retrying, pending]);
}

/// Reading or changing a webhook that never existed is no error.
pub async fn what_is_not_there_is_none(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.new_webhook().await;
    assert_eq!(scene.webhooks.get(Access::everything(), webhook.id).await.unwrap(), None);
    let updated = scene.webhooks.update(&webhook).await.unwrap();
    assert_eq!(updated, Updated::NotFound);
    let deleted = scene.webhooks.delete(Access::everything(), webhook.id, None).await.unwrap();
    assert_eq!(deleted, Updated::NotFound);

    scene.create(&webhook).await;
    scene.delete(webhook.id).await;
    let next = Webhook { version: 2, ..webhook.clone() };
    let updated = scene.webhooks.update(&next).await.unwrap();
    assert_eq!(updated, Updated::NotFound);
    assert_eq!(scene.webhooks.get(Access::everything(), webhook.id).await.unwrap(), None);

    let event: EventId = scene.new_event().await.id;
    let delivery = DeliveryId::derive(event, webhook.id);
    assert_eq!(scene.events.get(Access::everything(), event).await.unwrap(), None);
    assert_eq!(scene.history.get(Access::everything(), delivery).await.unwrap(), None);
    assert!(scene.attempts(delivery).await.is_empty());
    let redelivered = scene.queue.redeliver(Access::everything(), delivery, &Trigger::Manual.into()).await;
    assert_eq!(redelivered.unwrap(), None::<Redelivery>);
    scene.queue.check().await.expect("the store is available");
}
