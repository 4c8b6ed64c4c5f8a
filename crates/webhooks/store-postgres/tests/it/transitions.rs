//! Settling logs each of its decisions once.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdev_webhooks_domain::ports::DeliveryQueue;
use rdev_webhooks_domain::{FailureReason, HealthEffect, LeasedDelivery, Settled, Settlement};
use rdev_webhooks_testkit::samples;

use crate::store::Scene;

fn settlement(leased: &LeasedDelivery, settled: Settled, health: HealthEffect) -> Settlement {
    let status = if health == HealthEffect::Succeeded { 200 } else { 503 };
    let attempt = samples::attempt(1, leased.event_id.time(), status);
    Settlement { lease: leased.lease, settled, attempt: Some(attempt), gone: None, health }
}

#[tokio::test]
async fn a_circuit_that_opens_or_closes_is_logged_once() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(5).await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 5)).await.unwrap();
    let retry = Settled::RetryAfter(Duration::from_secs(60));
    let log = Captured::begin();
    let fail = async |nth: usize| {
        let failed = settlement(&leased[nth], retry, HealthEffect::Unavailable);
        assert_eq!(scene.store.settle(&[failed]).await.unwrap(), [true]);
    };
    fail(0).await;
    let long = "UPDATE rdev_webhooks.endpoint_health SET consecutive_failures = 60,
        failing_since = failing_since - interval '1 minute'";
    scene.execute(long).await;
    assert!(log.take("circuit").is_empty());
    fail(1).await;
    let opened = log.take("circuit opened");
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(opened[0].contains(&webhook.id.to_string()) && opened[0].contains("status=503"), "{opened:?}");
    // The wait is over, and the probe fails: that is the same outage.
    scene.execute("UPDATE rdev_webhooks.endpoint_health SET open_until = rdev_webhooks.now()").await;
    fail(2).await;
    assert!(log.take("circuit").is_empty());
    for nth in [3, 4] {
        let succeeded = settlement(&leased[nth], Settled::Succeeded, HealthEffect::Succeeded);
        scene.store.settle(&[succeeded]).await.unwrap();
    }
    let closed = log.take("circuit closed");
    assert_eq!(closed.len(), 1, "{closed:?}");
}

#[tokio::test]
async fn a_circuit_that_closes_in_a_mixed_batch_is_logged() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(3).await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 3)).await.unwrap();
    let retry = Settled::RetryAfter(Duration::from_secs(60));
    scene.store.settle(&[settlement(&leased[0], retry, HealthEffect::Unavailable)]).await.unwrap();
    scene
        .execute("UPDATE rdev_webhooks.endpoint_health SET open_count = 1, open_until = rdev_webhooks.now()")
        .await;
    let log = Captured::begin();
    let batch = [
        settlement(&leased[1], retry, HealthEffect::Unavailable),
        settlement(&leased[2], Settled::Succeeded, HealthEffect::Succeeded),
    ];
    assert_eq!(scene.store.settle(&batch).await.unwrap(), [true, true]);
    assert_eq!(log.take("circuit closed").len(), 1);
}

#[tokio::test]
async fn a_webhook_that_is_disabled_as_gone_is_logged_once() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(2).await;
    let log = Captured::begin();
    let leased = scene.store.claim(&scene.claim(webhook.id, 2)).await.unwrap();
    let gone = leased.iter().map(|leased| Settlement {
        gone: Some(leased.target.version),
        ..settlement(leased, Settled::Failed(FailureReason::Gone), HealthEffect::Rejected)
    });
    assert_eq!(scene.store.settle(&gone.collect::<Vec<_>>()).await.unwrap(), [true, true]);
    let disabled = log.take("webhook disabled");
    assert_eq!(disabled.len(), 1, "{disabled:?}");
    assert!(disabled[0].contains(r#"reason="gone""#) && disabled[0].contains(&webhook.id.to_string()));
}

/// Records what this thread logs until it is dropped.
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    _logging: tracing::subscriber::DefaultGuard,
}

impl Captured {
    fn begin() -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Arc::clone(&text);
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Sink(Arc::clone(&sink))).finish();
        Self { text, _logging: rdev_webhooks_testkit::subscribe_thread(subscriber) }
    }

    /// Returns the lines with that message since the last call.
    fn take(&self, message: &str) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.text.lock().unwrap())).unwrap();
        text.lines().filter(|line| line.contains(message)).map(str::to_owned).collect()
    }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
