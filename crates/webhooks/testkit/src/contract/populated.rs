//! A populated database, for the tests of migrations.
//!
//! [`populate`] stores something in every table through the ports. The result is kept as a fixture. [`check`]
//! reads it through the ports after the current migrations, in a database of any store. It finds webhooks by
//! their descriptions, because ids and times differ between the fixtures.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use rdev_access::ports::{KeyEnd, KeyRequest, KeyState};
use rdev_access::{ApiKey, ApiKeyHash, Fingerprint, Operation, RememberedAnswer};
use rdev_webhooks_domain::event_feed::EventFeedFilter;
use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::statistics::Counters;
use rdev_webhooks_domain::{
    Access, BodyFormat, CommandId, DeliveryFilter, DeliveryId, DeliveryStatus, DisabledReason, EventFilter,
    HealthEffect, IdempotencyKey, LastAttemptFilter, NewEvent, RateLimit, RegisteredType, ReplayState,
    RetryPolicy, Settled, SigningSecrets, Timestamp, Trigger, Webhook, WebhookFilter, WebhookId,
    WebhookState,
};

use super::Harness;
use super::scene::{HOUR, Scene, first};
use crate::{SeededEntropy, samples};

/// A duration after which everything is still there.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The version of a database that was made by all migrations.
pub const NEWEST: i64 = i64::MAX;

/// The first fixture with metadata, an end and a format of webhooks, and with examples of event types.
const WITH_FORMATS: i64 = 20_261_128_224_300;

const SCHEMA: &str = r#"{"type":"object"}"#;

const EXAMPLES: &str = r#"[{"number": 7}]"#;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Stores something in every table of an empty database, deliveries in every state among it.
pub async fn populate(store: &dyn Harness) {
    // Other random values than those of `check`, which stores something too.
    let scene = Scene::seeded(store, 2);
    complete_webhook(&scene).await;
    for status in DeliveryStatus::ALL {
        let webhook = named(&scene, status.as_str()).await;
        scene.delivery_in(*status, webhook).await;
    }
    let disabled = named(&scene, "disabled").await;
    let since = scene.now().await;
    let state = WebhookState::Disabled { reason: DisabledReason::Failing, since };
    scene.change(disabled, |webhook| webhook.state = state).await;

    let failing = named(&scene, "failing").await;
    scene.publish_to(failing).await;
    let leased = scene.claim_one(failing).await;
    let mut settlement = scene.settlement(&leased, Settled::RetryAfter(HOUR)).await;
    settlement.health = HealthEffect::Unavailable;
    assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);

    let replayed = named(&scene, "replayed").await;
    scene.failed(replayed, 1).await;
    let replay = scene.begin(scene.all_failed(replayed).await).await;
    assert_eq!(scene.step(replay).await.queued, 1);

    let (key, hash) = api_key(scene.now().await);
    scene.api_keys.create(&key, &hash).await.unwrap();
    let at = scene.now().await;
    let registered = RegisteredType {
        name: "order.paid".parse().unwrap(),
        description: Some("An order was paid".to_owned()),
        schema: Some(SCHEMA.into()),
        examples: EXAMPLES.into(),
        created_at: at,
        updated_at: at,
    };
    store.event_types().put(&registered).await.unwrap();
    let answered = request("answered", at);
    scene.idempotency.begin(&answered).await.unwrap();
    let end = KeyEnd::Answered(answer());
    assert!(scene.idempotency.end(&answered.key, answered.token, &end).await.unwrap());
    scene.idempotency.begin(&request("abandoned", at)).await.unwrap();
}

/// Reads what [`populate`] has stored in a database whose newest migration was `version` then; fails if something is
/// missing or different. Two days must have passed.
pub async fn check(store: &dyn Harness, version: i64) {
    let scene = Scene::new(store);
    let listed =
        scene.webhooks.list(Access::everything(), &WebhookFilter::default(), first(100)).await.unwrap();
    assert_eq!(listed.damaged, [], "every webhook can be read");
    let webhooks: BTreeMap<_, _> = listed
        .items
        .into_iter()
        .map(|one| (one.settings.description.clone().unwrap_or_default(), one))
        .collect();
    check_complete_webhook(&scene, &webhooks["complete"], version).await;
    for status in DeliveryStatus::ALL {
        check_delivery(&scene, *status, &webhooks).await;
    }
    let disabled = webhooks["disabled"].state;
    assert!(
        matches!(disabled, WebhookState::Disabled { reason: DisabledReason::Failing, .. }),
        "{disabled:?}"
    );
    let health = scene.webhooks.health(&[webhooks["failing"].id]).await.unwrap();
    assert_eq!(health[0].consecutive_failures, 1);

    let replayed = webhooks["replayed"].id;
    let replays = scene.replays.list(Access::everything(), Some(replayed), first(10)).await.unwrap();
    assert_eq!((replays.items.len(), replays.items[0].queued), (1, 1));
    assert_eq!(replays.items[0].state, ReplayState::Running);
    scene.step(replays.items[0].id).await;

    let (key, hash) = api_key(scene.now().await);
    let found = scene.api_keys.find(&hash).await.unwrap().expect("the API key exists");
    assert_eq!((found.name, found.access), (key.name, key.access));
    let types = store.event_types().all().await.unwrap().types;
    assert_eq!(types.len(), 1);
    assert_eq!((types[0].name.as_str(), types[0].schema.as_deref()), ("order.paid", Some(SCHEMA)));
    assert_eq!(&*types[0].examples, if version >= WITH_FORMATS { EXAMPLES } else { "[]" });
    let at = scene.now().await;
    let answered = scene.idempotency.begin(&request("answered", at)).await.unwrap();
    assert_eq!(answered, KeyState::Answered(answer()));
    let abandoned = scene.idempotency.begin(&request("abandoned", at)).await.unwrap();
    let KeyState::Taken { operation, repeats: true } = abandoned else {
        panic!("{abandoned:?}");
    };
    assert_eq!(operation.seed, request("abandoned", at).operation.seed);

    let start = ChangePoint { at: Timestamp::EPOCH, delivery: DeliveryId::floor(Timestamp::EPOCH) };
    let changes = store.feed().changed(start, 100).await.unwrap();
    let seen: Vec<_> = changes.points.iter().map(|point| point.delivery).collect();
    let present = store.feed().present(&seen).await.unwrap();
    assert!(!present.is_empty(), "{changes:?}");
    check_event_feed(&scene).await;
    check_filters(&scene).await;
}

/// Finds each delivery by its last attempt, and each event by its command, as lists do.
async fn check_filters(scene: &Scene<'_>) {
    let mut found = 0;
    for delivery in scene.deliveries(&DeliveryFilter::default()).await {
        let last = scene.attempts(delivery.id).await.into_iter().next();
        let last_attempt = LastAttemptFilter {
            code: last.as_ref().and_then(|last| last.outcome.status()),
            class: last.as_ref().and_then(|last| Some(last.outcome.failure.as_ref()?.class)),
            trigger: Some(last.as_ref().map_or(Trigger::Automatic, |last| last.trigger)),
        };
        let filter = DeliveryFilter { last_attempt, ..DeliveryFilter::default() };
        let listed = scene.deliveries(&filter).await.iter().any(|one| one.id == delivery.id);
        assert_eq!(listed, last.is_some(), "{delivery:?} {last:?}");
        found += usize::from(listed);
    }
    assert!(found > 0, "some deliveries have attempts");
    let all = scene.events.list(Access::everything(), &EventFilter::default(), first(100)).await.unwrap();
    for record in &all.items {
        let command_id = CommandId::in_body(&record.event.event_type, &record.event.body);
        let of_command = EventFilter { command_id, ..EventFilter::default() };
        let listed = scene.events.list(Access::everything(), &of_command, first(100)).await.unwrap();
        assert!(listed.items.contains(record), "{record:?}");
    }
}

/// Stores a webhook with a value in every field, a delivery to it, and statistics.
async fn complete_webhook(scene: &Scene<'_>) {
    let webhook = complete(scene.new_webhook().await, NEWEST);
    scene.webhooks.create(&webhook, &secrets()).await.unwrap();
    let event = NewEvent {
        key: Some("order-1".parse().unwrap()),
        project: Some("alpha".parse().unwrap()),
        traceparent: Some(TRACEPARENT.parse().unwrap()),
        ..scene.new_event().await
    };
    assert_eq!(scene.publish_one(&event).await.deliveries, 1);
    scene.harness.statistics().add(&[(webhook.id, sums())]).await.unwrap();
}

async fn check_complete_webhook(scene: &Scene<'_>, webhook: &Webhook, version: i64) {
    let new = Webhook { created_at: webhook.created_at, ..scene.new_webhook().await };
    let expected = complete(new, version);
    let expected = Webhook { id: webhook.id, updated_at: webhook.updated_at, ..expected };
    assert_eq!(*webhook, expected);

    let repeated = NewEvent {
        key: Some("order-1".parse().unwrap()),
        project: Some("alpha".parse().unwrap()),
        ..scene.new_event().await
    };
    let published = scene.publish_one(&repeated).await;
    assert!(published.duplicate, "the event's key is taken");
    let event =
        scene.events.get(Access::everything(), published.id).await.unwrap().expect("the event exists").event;
    assert_eq!(event.project, repeated.project);

    let leased = scene.claim_one(webhook.id).await;
    assert_eq!((leased.event_id, &leased.body, leased.attempt), (event.id, &event.body, 1));
    assert_eq!(leased.traceparent, Some(TRACEPARENT.parse().unwrap()));
    assert_eq!(leased.target.headers, webhook.settings.headers);
    assert_eq!(leased.target.secrets.current, secrets().current);
    assert_eq!(leased.target.secrets.previous, secrets().previous);
    let window = "30d".parse().unwrap();
    let statistics =
        scene.harness.statistics().read(Access::everything(), webhook.id, window, None).await.unwrap();
    assert_eq!(statistics.sums, sums());
}

/// Checks the delivery that is or was in this state.
async fn check_delivery(scene: &Scene<'_>, status: DeliveryStatus, webhooks: &BTreeMap<String, Webhook>) {
    if status == DeliveryStatus::Cancelled {
        assert!(!webhooks.contains_key(status.as_str()), "its webhook is deleted");
        let filter = DeliveryFilter { status: Some(status), ..DeliveryFilter::default() };
        assert_eq!(scene.deliveries(&filter).await.len(), 1);
        return;
    }
    let webhook = &webhooks[status.as_str()];
    let filter = DeliveryFilter { webhook: Some(webhook.id), ..DeliveryFilter::default() };
    let deliveries = scene.deliveries(&filter).await;
    assert_eq!(deliveries.len(), 1, "{status:?}");
    let delivery = &deliveries[0];
    let statuses: Vec<_> = scene.attempts(delivery.id).await;
    let statuses: Vec<_> =
        statuses.iter().map(|one| one.outcome.response.as_ref().map(|response| response.status)).collect();
    match status {
        DeliveryStatus::InFlight => {
            let leased = scene.claim_one(webhook.id).await;
            assert_eq!((leased.attempt, leased.abandoned_count), (2, 1), "its lease has expired");
            assert_eq!(scene.attempts(delivery.id).await.len(), 1, "the abandoned attempt is recorded");
        }
        DeliveryStatus::Pending => {
            assert_eq!((delivery.state.status(), &*statuses), (status, &[][..]));
            assert_eq!(scene.claim_one(webhook.id).await.attempt, 1);
        }
        DeliveryStatus::Succeeded => {
            assert_eq!((delivery.state.status(), &*statuses), (status, &[Some(200)][..]));
        }
        _ => assert_eq!((delivery.state.status(), &*statuses), (status, &[Some(500)][..])),
    }
}

/// Stores a webhook with this description, which takes only events that are sent to it alone.
async fn named(scene: &Scene<'_>, description: &str) -> WebhookId {
    let webhook = samples::with_settings(scene.new_webhook().await, |settings| {
        settings.description = Some(description.to_owned());
        settings.events = samples::patterns(["nothing.else"]);
    });
    scene.create(&webhook).await;
    webhook.id
}

/// Gives a webhook a value in every field.
fn complete(webhook: Webhook, version: i64) -> Webhook {
    let mut webhook = samples::with_settings(webhook, |settings| {
        settings.url = "https://example.com/webhook?of=alpha".parse().unwrap();
        settings.description = Some("complete".to_owned());
        settings.events = samples::patterns(["command.*", "order.paid"]);
        settings.projects = samples::projects(["alpha", "beta"]);
        settings.retry =
            RetryPolicy::schedule(vec![Duration::from_secs(1), Duration::from_secs(60)]).unwrap();
        settings.timeout = Some(Duration::from_millis(2_500));
        settings.rate_limit = RateLimit::per_second(2.5);
        settings.max_in_flight = NonZeroU32::new(4);
        settings.signing = SigningScheme::Ed25519;
    });
    webhook.settings.headers.insert("x-token", "sesame").unwrap();
    if version >= WITH_FORMATS {
        webhook.settings.metadata.insert("tenant".to_owned(), "acme".to_owned()).unwrap();
        webhook.settings.expires_at = Some(Timestamp::EPOCH + FOREVER);
        webhook.settings.format = BodyFormat::Standard;
    }
    webhook.set_public_keys(&secrets());
    webhook
}

fn secrets() -> SigningSecrets {
    let entropy = SeededEntropy::new(3);
    let secret = || samples::secret(&entropy, SigningScheme::Ed25519);
    let previous = secret();
    SigningSecrets { previous: Some((previous, Timestamp::EPOCH + FOREVER)), ..SigningSecrets::new(secret()) }
}

fn sums() -> Counters {
    Counters { succeeded: 5, failed: 7, cancelled: 3, ..Counters::default() }
}

fn api_key(at: Timestamp) -> (ApiKey, ApiKeyHash) {
    let (mut key, hash) = samples::api_key(&SeededEntropy::new(4), at);
    key.name = Some("a key".to_owned());
    (key, hash)
}

/// Returns a request with this idempotency key, whose operation has a seed of its own.
fn request(name: &str, at: Timestamp) -> KeyRequest {
    let entropy = SeededEntropy::new(5);
    let entropy: &dyn Entropy = &entropy;
    KeyRequest {
        key: IdempotencyKey::new(None, name.as_bytes()).unwrap(),
        operation: Operation { fingerprint: Fingerprint::of(&[name.as_bytes()]), seed: entropy.bytes(), at },
        token: samples::token(&SeededEntropy::new(6)),
        lease_for: Duration::from_secs(60),
        keep_for: FOREVER,
    }
}

fn answer() -> RememberedAnswer {
    RememberedAnswer(Bytes::from_static(b"the first answer"))
}

/// Every event is in the feed, before those that are published later.
async fn check_event_feed(scene: &Scene<'_>) {
    let events = scene.events.list(Access::everything(), &EventFilter::default(), first(100)).await.unwrap();
    let mut listed: Vec<_> = events.items.iter().map(|record| record.event.id).collect();
    assert!(!listed.is_empty() && !events.has_more);
    let later = scene.publish().await;
    scene.await_feed(later).await;
    let mut fed = scene.whole_feed(Access::everything(), &EventFeedFilter::default(), 3).await;
    assert_eq!(fed.pop(), Some(later));
    listed.sort_unstable();
    fed.sort_unstable();
    assert_eq!(fed, listed);
}
