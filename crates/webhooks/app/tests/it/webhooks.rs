//! Creating, updating and testing webhooks.

use std::time::Duration;

use rdev_access::Ids;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_app::{WebhookError, WebhookViolation};
use rdev_webhooks_domain::{
    Access, DeliveryStatus, DisabledReason, PageRequest, WebhookFilter, WebhookSettings, WebhookState,
};
use rdev_webhooks_testkit::samples;

use crate::support::{Answer, World};

fn new(url: &str) -> WebhookSettings {
    WebhookSettings::new(url.parse().unwrap(), samples::patterns(["command.completed", "command.failed"]))
}

fn world() -> World {
    World::new(|_, _| Answer::Status(200))
}

#[tokio::test(start_paused = true)]
async fn all_violations_are_reported_at_once_and_no_webhook_is_created() {
    let world = world();
    let events = samples::patterns(["command.completed", "command.exploded", "nothing.*"]);
    let wrong = WebhookSettings { events, ..new("http://169.254.169.254/latest") };
    let Err(WebhookError::Invalid(faults)) = world.webhooks.create(wrong, None, true, Ids::fresh()).await
    else {
        panic!("it was created");
    };
    let unknown = |text: &str| WebhookViolation::UnknownEvent(text.parse().unwrap());
    assert!(faults.contains(&unknown("command.exploded")) && faults.contains(&unknown("nothing.*")));
    assert!(faults.iter().any(|fault| matches!(fault, WebhookViolation::Destination(_))));
    let page = PageRequest { limit: 10, before: None };
    assert!(
        world
            .webhooks
            .list(Access::everything(), &WebhookFilter::default(), page)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn an_update_requires_the_expected_version() {
    let world = world();
    let made =
        world.webhooks.create(new("https://example.com/"), None, true, Ids::fresh()).await.unwrap().webhook;
    let describe =
        |text: &str| WebhookSettings { description: Some(text.to_owned()), ..new("https://example.com/") };
    let changed = world.webhooks.update(&made, describe("one"), true).await.unwrap();
    assert_eq!((changed.version, changed.settings.description.as_deref()), (2, Some("one")));
    let late = world.webhooks.update(&made, describe("two"), true).await;
    assert!(matches!(late, Err(WebhookError::VersionMismatch)));
    let same = world.webhooks.update(&changed, describe("one"), true).await.unwrap();
    assert_eq!(same.version, 2, "an update without a change keeps the version");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_disabled_manually_and_enabled_again() {
    let world = world();
    let made =
        world.webhooks.create(new("https://example.com/"), None, true, Ids::fresh()).await.unwrap().webhook;
    let off = world.webhooks.update(&made, made.settings.clone(), false).await.unwrap();
    assert!(matches!(off.state, WebhookState::Disabled { reason: DisabledReason::Manual, .. }));
    assert!(matches!(
        world.webhooks.test(Access::everything(), made.id, Ids::fresh()).await,
        Err(WebhookError::Disabled)
    ));
    let on = world.webhooks.update(&off, off.settings.clone(), true).await.unwrap();
    assert_eq!(on.state, WebhookState::Enabled);
}

#[tokio::test(start_paused = true)]
async fn a_test_delivery_goes_only_to_its_webhook() {
    let world = world();
    let made =
        world.webhooks.create(new("https://example.com/"), None, true, Ids::fresh()).await.unwrap().webhook;
    world.webhooks.create(new("https://example.com/other"), None, true, Ids::fresh()).await.unwrap();
    let worker = world.start_worker(WorkerOptions::default());
    let delivery = world.webhooks.test(Access::everything(), made.id, Ids::fresh()).await.unwrap();
    assert_eq!((delivery.webhook_id, delivery.event_type.as_str()), (made.id, "webhook.test"));
    world.until_all(DeliveryStatus::Succeeded).await;
    worker.stop().await;
    let sent = world.dispatcher.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1.deadline, Duration::from_secs(15));
    assert_eq!(sent[0].1.headers["x-rdev-event"], "webhook.test");
}
