//! Unavailable endpoints: few requests, no attempts used up, no effect on other webhooks. Failing and gone
//! endpoints: their webhooks are disabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_access::Ids;
use rdev_webhooks_app::WebhookDisabler;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::ports::{DeliveryHistory, EventRepository, WebhookRepository};
use rdev_webhooks_domain::{
    Access, Delivery, DeliveryStatus, DisabledReason, EventFilter, EventRecord, EventType, PageRequest,
    RetryPolicy, Webhook, WebhookId, WebhookState,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, World, draft, pass};

/// These tests take days, and nothing arrives without a wake-up.
fn patient() -> WorkerOptions {
    WorkerOptions::default().with_poll_interval(HOUR)
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn deliveries_of(&self, webhook: &Webhook) -> Vec<Delivery> {
        let deliveries = self.deliveries().await;
        deliveries.into_iter().filter(|one| one.webhook_id == webhook.id).collect()
    }

    async fn stored(&self, id: WebhookId) -> Webhook {
        WebhookRepository::get(&*self.store, Access::everything(), id).await.unwrap().unwrap()
    }

    fn disabling(&self, after: Duration) -> WebhookDisabler {
        WebhookDisabler::failing(self.store.clone(), after)
    }

    /// Returns the events of disabled webhooks, newest first.
    async fn notices(&self) -> Vec<EventRecord> {
        let filter =
            EventFilter { event_type: Some(EventType::webhook_disabled()), ..EventFilter::default() };
        let page = PageRequest { limit: 100, before: None };
        EventRepository::list(&*self.store, Access::everything(), &filter, page).await.unwrap().items
    }
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_endpoint_gets_few_requests_and_everything_once_it_is_available() {
    let is_up = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&is_up);
    let world = World::new(move |request, _| match request.url.port() {
        1 if !answer.load(Ordering::Relaxed) => Answer::Status(503),
        _ => Answer::Status(200),
    });
    let away = world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    let well = world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:2/".parse().unwrap()).await;
    let worker = world.start_worker(WorkerOptions::default());
    let sent = |port: u16| world.dispatcher.sent().iter().filter(|(_, one)| one.url.port() == port).count();

    // Their third attempts show that it is not just a burst.
    for _ in 0..30 {
        world.publish().await;
    }
    pass(Duration::from_secs(20)).await;
    let opened = sent(1);
    for _ in 0..200 {
        world.publish().await;
    }
    pass(HOUR).await;
    assert_eq!(sent(2), 230, "the other webhook receives all of its deliveries");
    let before = sent(1);
    assert!(before - opened < 40, "of 200 deliveries, {} attempts were made in an hour", before - opened);
    let waiting = world.deliveries_of(&away).await;
    let untouched = waiting.iter().filter(|one| one.attempts == 0).count();
    assert!(untouched > 100, "{untouched} deliveries wait with all their attempts");
    let made: u32 = waiting.iter().map(|one| one.attempts).sum();
    assert_eq!(made as usize, before, "only sent requests count as attempts");

    // One probe in five minutes.
    pass(HOUR).await;
    assert!((9..=13).contains(&(sent(1) - before)), "{} probes in an hour", sent(1) - before);

    // A new delivery of the other webhook is not delayed.
    let published = Instant::now();
    world.publish().await;
    while sent(2) < 231 {
        pass(Duration::from_millis(1)).await;
    }
    assert!(published.elapsed() < Duration::from_millis(50), "{:?}", published.elapsed());

    // A test delivery waits like all others.
    let asked = world.webhooks.test(Access::everything(), away.id, Ids::fresh()).await.unwrap();
    let probes = sent(1);
    pass(Duration::from_secs(1)).await;
    assert!(sent(1) <= probes + 1);
    let asked_state =
        DeliveryHistory::get(&*world.store, Access::everything(), asked.id).await.unwrap().unwrap().delivery;
    assert_eq!(asked_state.state.status(), DeliveryStatus::Pending);

    let failed_before =
        world.deliveries_of(&away).await.iter().filter(|one| one.state.finished_at().is_some()).count();
    is_up.store(true, Ordering::Relaxed);
    pass(Duration::from_secs(10 * 60)).await;
    let after = world.deliveries_of(&away).await;
    let succeeded = after.iter().filter(|one| one.state.status() == DeliveryStatus::Succeeded).count();
    assert_eq!(succeeded + failed_before, after.len(), "the waiting deliveries have arrived");
    assert!(succeeded > 100, "{succeeded}");
    let health = world.store.health(&[away.id, well.id]).await.unwrap();
    assert_eq!(health, [rdev_webhooks_domain::Health::default(); 2]);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_still_receives_every_attempt() {
    let world = World::new(|_, _| Answer::Status(400));
    world.webhook(|webhook| webhook.settings.retry = RetryPolicy::default()).await;
    let worker = world.start_worker(WorkerOptions::default());
    for _ in 0..100 {
        world.publish().await;
    }
    world.until_all(DeliveryStatus::Failed).await;
    worker.stop().await;
    assert_eq!(world.dispatcher.sent().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_failing_webhook_is_disabled_and_published_once() {
    let world = World::new(|request, _| Answer::Status(if request.url.port() == 1 { 500 } else { 200 }));
    let broken = world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    let everything = world.webhook(|_| {}).await;
    let observer =
        world.webhook(|webhook| webhook.settings.events = ["webhook.*".parse().unwrap()].into()).await;
    let worker = world.start_worker(patient());
    let drain = CancellationToken::new();
    let disabling = tokio::spawn(world.disabling(5 * DAY).run(drain.clone()));
    let failing_since = world.ambient.clock.now();
    for _ in 0..4 {
        world.publish().await;
        pass(DAY).await;
        assert_eq!(world.stored(broken.id).await.state, WebhookState::Enabled);
    }
    pass(DAY + HOUR).await;
    let WebhookState::Disabled { reason: DisabledReason::Failing, since } =
        world.stored(broken.id).await.state
    else {
        panic!("it must be disabled");
    };
    assert!(since.since(failing_since) >= 5 * DAY && since.since(failing_since) < 5 * DAY + HOUR);
    assert_eq!(world.stored(everything.id).await.state, WebhookState::Enabled);

    let notices = world.notices().await;
    assert_eq!(notices.len(), 1, "the passes of an hour publish one event");
    let body: serde_json::Value = serde_json::from_slice(&notices[0].event.body).unwrap();
    assert_eq!(body["event"], "webhook.disabled");
    assert_eq!(body["timestamp"], since.to_string());
    assert_eq!(body["data"]["webhook_id"], broken.id.to_string());
    assert_eq!(body["data"]["reason"], "failing");
    assert_eq!(body["data"]["disabled_at"], since.to_string());
    let announced_since: rdev_webhooks_domain::Timestamp =
        body["data"]["failing_since"].as_str().unwrap().parse().unwrap();
    assert!(announced_since.since(failing_since) < HOUR, "{announced_since}");
    assert_eq!((notices[0].deliveries.succeeded, notices[0].deliveries.total()), (1, 1));
    assert_eq!(world.deliveries_of(&observer).await.len(), 1, "`webhook.*` matches it, `*` does not");
    assert_eq!(world.deliveries_of(&everything).await.len(), 4);

    // Another process does not publish it again.
    drain.cancel();
    disabling.await.unwrap();
    world.disabling(5 * DAY).pass().await;
    assert_eq!(world.notices().await.len(), 1);

    // Once it is enabled again, it may fail again.
    let disabled = world.stored(broken.id).await;
    world.webhooks.update(&disabled, disabled.settings.clone(), true).await.unwrap();
    let mut disabling = world.disabling(5 * DAY);
    disabling.pass().await;
    assert_eq!(world.stored(broken.id).await.state, WebhookState::Enabled, "the five days begin again");
    world.publish().await;
    pass(4 * DAY).await;
    world.publish().await;
    pass(DAY + HOUR).await;
    disabling.pass().await;
    disabling.pass().await;
    assert_ne!(world.stored(broken.id).await.state, WebhookState::Enabled);
    assert_eq!(world.notices().await.len(), 2);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_failure_followed_by_silence_disables_nothing() {
    let world = World::new(|_, _| Answer::Status(500));
    let quiet = world.webhook(|_| {}).await;
    let worker = world.start_worker(patient());
    world.publish().await;
    pass(6 * DAY).await;
    let mut disabling = world.disabling(5 * DAY);
    disabling.pass().await;
    assert_eq!(world.stored(quiet.id).await.state, WebhookState::Enabled);
    // The next failure shows that the trouble has not passed.
    world.publish().await;
    pass(HOUR).await;
    disabling.pass().await;
    assert_ne!(world.stored(quiet.id).await.state, WebhookState::Enabled);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gone_webhook_is_published_and_a_manually_disabled_one_is_not() {
    let world = World::new(|request, _| Answer::Status(if request.url.port() == 1 { 410 } else { 200 }));
    let gone = world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    let manual = world.webhook(|_| {}).await;
    world.webhooks.update(&manual, manual.settings.clone(), false).await.unwrap();
    let worker = world.start_worker(patient());
    world.publish().await;
    pass(Duration::from_secs(1)).await;
    let notices = world.notices().await;
    assert_eq!(notices.len(), 1);
    let body: serde_json::Value = serde_json::from_slice(&notices[0].event.body).unwrap();
    assert_eq!(
        (&body["data"]["webhook_id"], &body["data"]["reason"]),
        (&gone.id.to_string().into(), &"gone".into())
    );
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_project_receives_the_events_of_its_own_webhooks() {
    let world = World::new(|request, _| Answer::Status(if request.url.port() == 1 { 410 } else { 200 }));
    let gone = async |projects: &[&str]| {
        let projects = projects.iter().map(|name| name.parse().unwrap()).collect();
        let webhook = world.webhook(|webhook| {
            webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap();
            webhook.settings.projects = projects;
        });
        webhook.await
    };
    let observer = async |project: Option<&str>, pattern: &str| {
        let webhook = world.webhook(|webhook| {
            webhook.settings.events = [pattern.parse().unwrap()].into();
            webhook.settings.projects = project.iter().map(|name| name.parse().unwrap()).collect();
        });
        webhook.await
    };
    let of_a = gone(&["a"]).await;
    let of_both = gone(&["a", "b"]).await;
    let by_name = observer(Some("a"), "webhook.disabled").await;
    let by_prefix = observer(Some("a"), "webhook.*").await;
    let (of_b, of_all) = (observer(Some("b"), "webhook.*").await, observer(None, "webhook.*").await);
    let worker = world.start_worker(patient());
    let mut event = draft();
    event.project = Some("a".parse().unwrap());
    world.publisher.publish(event).await.unwrap();
    pass(Duration::from_secs(1)).await;

    let announced: Vec<_> = world.notices().await.into_iter().map(|notice| notice.event).collect();
    let about = |webhook: &Webhook| {
        let id = webhook.id.to_string();
        let found = announced.iter().find(|event| String::from_utf8_lossy(&event.body).contains(&id));
        found.unwrap().project.as_ref().map(ToString::to_string)
    };
    assert_eq!(announced.len(), 2);
    assert_eq!((about(&of_a).as_deref(), about(&of_both)), (Some("a"), None));
    for (observer, expected) in [(by_name, 1), (by_prefix, 1), (of_b, 0), (of_all, 2)] {
        assert_eq!(world.deliveries_of(&observer).await.len(), expected, "{:?}", observer.settings.projects);
    }
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn operational_types_can_be_subscribed_to_but_not_published() {
    let world = World::new(|_, _| Answer::Status(200));
    for (pattern, known) in [("webhook.disabled", true), ("webhook.*", true), ("webhook.test", false)] {
        let patterns = [pattern.parse().unwrap()];
        assert_eq!(world.webhooks.validate(None, &patterns).await.is_empty(), known, "{pattern}");
    }
    let mut event = draft();
    event.event_type = EventType::webhook_disabled();
    let refused = world.publisher.publish(event).await.unwrap_err();
    assert!(matches!(refused, rdev_webhooks_app::PublishError::Invalid(_)), "{refused:?}");
}
