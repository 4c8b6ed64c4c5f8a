//! Liveness and readiness.

use std::sync::Arc;

use crate::failures::Broken;
use crate::scene::Scene;

#[tokio::test]
async fn both_probes_succeed_without_a_key() {
    let scene = Scene::new();
    for path in ["/healthz", "/readyz"] {
        for method in ["GET", "HEAD"] {
            let answer = scene.call(method, path, &[("authorization", "")]).await.expect(200);
            assert!(method == "HEAD" || answer.text() == r#"{"status":"ok"}"#);
        }
    }
}

#[tokio::test]
async fn not_ready_while_the_database_is_unreachable() {
    let scene = Scene::with(|services| services.queue = Arc::new(Broken::Away));
    let answer = scene.get("/readyz").await.expect(503);
    assert!(answer.detail().contains("unavailable"), "{}", answer.detail());
    scene.get("/healthz").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn not_ready_while_the_database_hangs() {
    let scene = Scene::with(|services| services.queue = Arc::new(Broken::Silent));
    let started = tokio::time::Instant::now();
    let answer = scene.get("/readyz").await.expect(503);
    assert!(answer.detail().contains("2 s"), "{}", answer.detail());
    assert_eq!(started.elapsed().as_secs(), 2);
    scene.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn not_ready_once_the_process_is_stopping() {
    let scene = Scene::with(|services| services.heartbeat.stopping().cancel());
    let answer = scene.get("/readyz").await.expect(503);
    assert!(answer.detail().contains("stopping"), "{}", answer.detail());
    scene.get("/healthz").await.expect(200);
    scene.post("/events", crate::scene::EVENT).await.expect(202);
}

#[tokio::test]
async fn not_ready_once_a_task_has_failed() {
    let scene = Scene::with(|services| services.heartbeat.failed().cancel());
    let answer = scene.get("/readyz").await.expect(503);
    assert!(answer.detail().contains("task"), "{}", answer.detail());
    scene.get("/healthz").await.expect(200);
}
