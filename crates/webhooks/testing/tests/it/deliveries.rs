//! Deliveries within a test.

use std::time::Duration;

use rdev_webhooks::Event;
use rdev_webhooks::domain::{Access, RetryPolicy, WebhookSettings, WebhookState};
use rdev_webhooks::signing::{Headers, SigningScheme, Verifier};
use rdev_webhooks_domain::ports::{Clock, WebhookRepository};
use rdev_webhooks_testing::{Reply, Script, TestWebhooks};
use rdev_webhooks_testkit::receiver::verify;
use sqlx::{Sqlite, SqlitePool, Transaction};

use crate::transactions::open;

/// A transaction that has published one event.
async fn published() -> (tempfile::TempDir, Transaction<'static, Sqlite>) {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_lazy(&format!("sqlite://{}/rdev.db", folder.path().display())).unwrap();
    let webhooks = open(&pool).await;
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let event = Event::new("command.completed").project("shop-1").data(r#"{"number":7}"#);
    webhooks.publisher().publish_in(&mut tx, event).await.unwrap();
    (folder, tx)
}

fn settings() -> WebhookSettings {
    WebhookSettings::new("https://a.example/hook".parse().unwrap(), ["command.*".parse().unwrap()])
}

#[tokio::test]
async fn a_request_is_that_of_a_worker() {
    let (_folder, mut tx) = published().await;
    let webhooks = TestWebhooks::new();
    let signing = SigningScheme::Ed25519;
    let receiver = webhooks.webhook(WebhookSettings { signing, ..settings() }, Reply::status(200)).await;
    let other = webhooks.receiver("command.failed", Reply::status(200)).await;
    let projects = ["shop-2".parse().unwrap()].into();
    let foreign = webhooks.webhook(WebhookSettings { projects, ..settings() }, Reply::status(200)).await;
    assert_eq!(webhooks.deliver_all_in(&mut tx).await, 1);
    assert!(other.requests().is_empty() && foreign.requests().is_empty());
    let request = &receiver.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    assert!(request.body.ends_with(br#","data":{"number":7}}"#), "{request:?}");
    assert_eq!(request.header("x-rdev-event"), "command.completed");
    assert_eq!(request.header("x-rdev-attempt"), "1");
    let key = receiver.secret().public_key().unwrap();
    verify(request, key, webhooks.clock().now()).unwrap();
    // A receiver of a service verifies it by the system's clock.
    let now = rdev_webhooks::Ambient::system().now().as_unix_seconds();
    let headers = Headers::from_lookup(|name| request.headers.get(name)?.to_str().ok());
    Verifier::new(key).verify(headers, &request.body, now).unwrap();
}

#[tokio::test]
async fn a_retry_is_due_when_the_clock_says_so() {
    let (_folder, mut tx) = published().await;
    let webhooks = TestWebhooks::new();
    let failures = [Reply::hang(), Reply::close(), Reply::status(500)];
    let receiver = webhooks.receiver("*", failures).await;
    for (advance, attempts) in [(0, 1), (4_999, 0), (1, 1), (9_999, 0), (1, 1), (86_400_000, 0)] {
        webhooks.clock().advance(Duration::from_millis(advance));
        assert_eq!(webhooks.deliver_all_in(&mut tx).await, attempts, "after {advance} ms more");
    }
    let attempts: Vec<_> =
        receiver.requests().iter().map(|request| request.header("x-rdev-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_retry_after_and_a_410_have_their_effect() {
    let (_folder, mut tx) = published().await;
    let webhooks = TestWebhooks::new();
    let script = [Reply::status(503).header("retry-after", "60"), Reply::status(410)];
    let retry = RetryPolicy::default();
    let receiver = webhooks.webhook(WebhookSettings { retry, ..settings() }, script).await;
    webhooks.deliver_all_in(&mut tx).await;
    webhooks.clock().advance(Duration::from_secs(59));
    assert_eq!(webhooks.deliver_all().await, 0);
    webhooks.clock().advance(Duration::from_secs(1));
    assert_eq!(webhooks.deliver_all().await, 1);
    let stored = webhooks.store().get(Access::everything(), receiver.webhook()).await.unwrap().unwrap();
    assert!(matches!(stored.state, WebhookState::Disabled { .. }));
}

#[tokio::test]
async fn a_script_may_depend_on_the_request() {
    let (_folder, mut tx) = published().await;
    let webhooks = TestWebhooks::new();
    let script = Script::by(|_, request| match request.body.ends_with(b"7}}") {
        true => Reply::status(200),
        false => Reply::status(400),
    });
    let receiver = webhooks.receiver("*", script).await;
    assert_eq!(webhooks.deliver_all_in(&mut tx).await, 1);
    webhooks.clock().advance(Duration::from_secs(3_600));
    assert_eq!(webhooks.deliver_all().await, 0, "it succeeded");
    assert_eq!(receiver.requests().len(), 1);
}
