//! `GET /webhooks/{id}/stats`.

use std::time::Duration;

use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::{Clock, StatisticsRepository};
use rdev_webhooks_domain::statistics::Counters;
use rdev_webhooks_domain::{Attempt, HealthEffect, LeaseRef, Settled, Settlement};
use rdev_webhooks_testkit::samples;
use serde_json::json;

use crate::scene::Scene;

impl Scene {
    /// Adds the counts of such attempts for one delivery that was accepted now.
    async fn add_sums(&self, webhook: &str, attempts: &[(Settled, u16)]) {
        let id: WebhookId = webhook.parse().unwrap();
        let now = self.clock.now();
        let delivery = rdev_webhooks_domain::DeliveryId::from_parts(now, [1; 10]);
        let lease = LeaseRef { delivery, token: samples::token(&*self.entropy) };
        let mut sums = Counters::default();
        for (n, (settled, status)) in (1_u32..).zip(attempts) {
            let attempt =
                Attempt { duration: Duration::from_millis(100), ..samples::attempt(n, now, *status) };
            let (attempt, settled) = (Some(attempt), *settled);
            sums.settled(&Settlement { lease, settled, attempt, gone: None, health: HealthEffect::None });
        }
        self.store.add(&[(id, sums)]).await.unwrap();
    }
}

#[tokio::test]
async fn statistics_show_the_outcomes_of_deliveries() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let path = format!("/webhooks/{webhook}/stats");
    let nothing = scene.get(&path).await.expect(200).json();
    assert_eq!(nothing["deliveries"], json!({"succeeded": 0, "failed": 0, "cancelled": 0}));
    let members = ["success_rate", "latency_ms", "time_to_success_ms"];
    assert!(members.iter().all(|member| nothing[member].is_null()), "{nothing}");
    assert_eq!(nothing["pending"], json!({"count": 0, "has_more": false, "oldest": null}));

    let retry = Settled::RetryAfter(Duration::ZERO);
    for _ in 0..3 {
        scene.add_sums(&webhook, &[(retry, 500), (Settled::Succeeded, 200)]).await;
    }
    let failed = Settled::Failed(rdev_webhooks_domain::FailureReason::AttemptsExhausted);
    scene.add_sums(&webhook, &[(failed, 404)]).await;
    let waiting = scene.event().await;
    scene.clock.advance(Duration::from_millis(1_500));

    let read = scene.get(&format!("{path}?window=1h")).await.expect(200).json();
    assert_eq!(read["webhook_id"], webhook.as_str());
    assert_eq!(read["deliveries"], json!({"succeeded": 3, "failed": 1, "cancelled": 0}));
    assert_eq!(read["success_rate"], 0.75);
    let attempts = &read["attempts"];
    assert_eq!(
        (&attempts["total"], &attempts["succeeded"], &attempts["retries"]),
        (&json!(7), &json!(3), &json!(3))
    );
    assert_eq!(attempts["failed"]["status"], 4);
    assert_eq!(attempts["failed"]["dns"], 0);
    for member in ["latency_ms", "time_to_success_ms"] {
        for part in ["p50", "p95", "p99"] {
            let millis = read[member][part].as_f64().unwrap();
            assert!((millis - 100.0).abs() <= 12.5, "{member} {part}: {millis}");
        }
    }
    let oldest = &read["pending"]["oldest"];
    assert_eq!(oldest["id"], scene.delivery_of(&waiting).await["id"]);
    assert_eq!(oldest["age_ms"], 1_500);
    assert_eq!(read["circuit"]["state"], "closed");
    let span = read["until"].as_str().unwrap() > read["since"].as_str().unwrap();
    assert!(span, "{read}");
}

#[tokio::test]
async fn only_windows_within_the_history_are_accepted() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    for window in ["5m", "1h", "24h", "7d", "30d"] {
        scene.get(&format!("/webhooks/{webhook}/stats?window={window}")).await.expect(200);
    }
    for query in ["window=31d", "window=1s", "window=", "window=soon", "window=-1h", "window=1h&window=2h"] {
        let refused = scene.get(&format!("/webhooks/{webhook}/stats?{query}")).await.expect(422);
        assert_eq!(refused.code(), "validation_failed", "{query}");
        assert_eq!(refused.places(), ["?window"], "{query}");
    }
    let refused = scene.get(&format!("/webhooks/{webhook}/stats?windows=1h")).await.expect(422);
    assert_eq!(refused.places(), ["?windows"]);
}

#[tokio::test]
async fn statistics_of_an_unknown_webhook_are_404() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    scene.call("DELETE", &format!("/webhooks/{webhook}"), &[]).await.expect(204);
    scene.get(&format!("/webhooks/{webhook}/stats")).await.expect(404);
    scene.get("/webhooks/evt_01h455vb4pex5vsknk084sn02q/stats").await.expect(404);
}

#[tokio::test]
async fn a_project_scoped_key_sees_statistics_since_the_webhooks_last_change() {
    let scene = Scene::new();
    let (_, key) = scene.reader(Some("one")).await;
    let read = async |webhook: &str| {
        let path = format!("/webhooks/{webhook}/stats?window=1h");
        scene.call("GET", &path, &[("authorization", &key)]).await
    };
    for projects in [&["one", "two"][..], &["two"], &[]] {
        read(&scene.webhook_of(projects).await).await.expect(404);
    }
    let webhook = scene.webhook_of(&["one", "two"]).await;
    scene.add_sums(&webhook, &[(Settled::Succeeded, 200)]).await;
    scene.event_of("two").await;
    scene.event_of("one").await;
    // The change falls inside a bucket, which may therefore contain counts from before the change.
    scene.clock.advance(Duration::from_secs(21 * 60));
    let path = format!("/webhooks/{webhook}");
    scene.json("PATCH", &path, r#"{"projects":["one"]}"#).await.expect(200);
    scene.add_sums(&webhook, &[(Settled::Succeeded, 200)]).await;
    let reported = read(&webhook).await.expect(200).json();
    assert_eq!(
        reported["deliveries"]["succeeded"], 0,
        "counts from before the change may be of the other project"
    );
    assert_eq!(reported["pending"]["count"], 1);
    scene.clock.advance(Duration::from_secs(10 * 60));
    scene.add_sums(&webhook, &[(Settled::Succeeded, 200)]).await;
    assert_eq!(read(&webhook).await.expect(200).json()["deliveries"]["succeeded"], 1);
    let all = scene.get(&format!("{path}/stats?window=1h")).await.expect(200).json();
    assert_eq!((&all["deliveries"]["succeeded"], &all["pending"]["count"]), (&json!(3), &json!(2)));
}
