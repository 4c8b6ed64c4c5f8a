//! What the requests of one key leave to other keys.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use futures_util::stream;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, LastAttempt, Page, PageRequest,
};

use tokio::sync::Semaphore;

use crate::answer::Answer;
use crate::scene::{Scene, request};

/// A history whose list queries never end, and which counts those in progress.
#[derive(Clone, Default)]
struct Endless(Arc<AtomicUsize>);

struct Going(Arc<AtomicUsize>);

impl Drop for Going {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl DeliveryHistory for Endless {
    async fn get(&self, _: &Access, _: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        Ok(None)
    }

    async fn list(
        &self,
        _: &Access,
        _: &DeliveryFilter,
        _: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _going = Going(Arc::clone(&self.0));
        pending().await
    }

    async fn attempts(&self, _: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        Ok(Page::of(Vec::new(), page.limit))
    }

    async fn last_attempts(&self, _: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError> {
        Ok(Vec::new())
    }

    async fn prune(&self, _: Duration) -> Result<Pruned, StoreError> {
        Ok(Pruned::default())
    }
}

async fn key(scene: &Scene, scope: &str) -> String {
    let made = scene.post("/api-keys", format!(r#"{{"scopes":["{scope}"]}}"#)).await.expect(201);
    format!("Bearer {}", made.json()["key"].as_str().unwrap())
}

async fn get(scene: &Scene, key: &str, path: &str) -> Answer {
    scene.call("GET", path, &[("authorization", key)]).await
}

#[tokio::test(start_paused = true)]
async fn a_list_query_times_out_and_delays_no_other_key() {
    let endless = Endless::default();
    let history = endless.clone();
    let scene = Scene::with(|services| services.history = Arc::new(history));
    let (greedy, other) = (key(&scene, "webhooks:read").await, key(&scene, "webhooks:read").await);
    let began = tokio::time::Instant::now();
    let ended = async {
        let lists = (0..6).map(|_| get(&scene, &greedy, "/deliveries"));
        futures_util::future::join_all(lists).await
    };
    let meanwhile = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        get(&scene, &other, "/webhooks").await.expect(200);
        assert_eq!(began.elapsed(), Duration::ZERO);
        // One at a time with fewer than four processors.
        let reading = endless.0.load(Ordering::SeqCst);
        assert!((1..=2).contains(&reading), "{reading} list queries of one key are in progress");
    };
    let (ended, ()) = tokio::join!(ended, meanwhile);
    for answer in ended {
        assert_eq!(answer.status, 503);
    }
    assert_eq!(endless.0.load(Ordering::SeqCst), 0);
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_list_query_ends_when_its_client_disconnects() {
    let endless = Endless::default();
    let history = endless.clone();
    let scene = Scene::with(|services| services.history = Arc::new(history));
    let gone = tokio::time::timeout(Duration::from_millis(1), scene.get("/deliveries")).await;
    assert!(gone.is_err());
    assert_eq!(endless.0.load(Ordering::SeqCst), 0);
}

/// Returns a body that never arrives.
fn silence() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, std::convert::Infallible>>())
}

/// Returns a body that never arrives, and adds a permit once it is read.
fn counted_silence(reads: &Arc<Semaphore>) -> Body {
    let reads = Arc::clone(reads);
    Body::from_stream(stream::once(async move {
        reads.add_permits(1);
        pending::<Result<Bytes, std::convert::Infallible>>().await
    }))
}

#[tokio::test(start_paused = true)]
async fn a_key_that_may_not_publish_is_refused_before_its_body_is_read() {
    let scene = Scene::new();
    let reader = key(&scene, "webhooks:read").await;
    let began = tokio::time::Instant::now();
    for path in ["/events/batch", "/events", "/webhooks", "/api-keys"] {
        for idempotency_key in [None, Some(("idempotency-key", "once"))] {
            let mut headers = vec![
                ("authorization", reader.as_str()),
                ("content-type", "application/json"),
                ("content-length", "16000000"),
            ];
            headers.extend(idempotency_key);
            scene.send(request("POST", path, &headers, silence())).await.expect(403);
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_slow_large_bodies_delays_no_other_key() {
    let scene = Scene::new();
    let (slow, other) = (key(&scene, "events:write").await, key(&scene, "events:write").await);
    let headers = |key| [("authorization", key), ("content-type", "application/json")];
    let began = tokio::time::Instant::now();
    let reads = Arc::new(Semaphore::new(0));
    let dawdling = async {
        let bodies = (0..20).map(|_| counted_silence(&reads));
        let requests = bodies.map(|body| scene.send(request("POST", "/events/batch", &headers(&slow), body)));
        futures_util::future::join_all(requests).await
    };
    let meanwhile = async {
        // A body without a declared length counts with the maximum length, which takes the whole share of the key.
        let _first = reads.acquire().await.unwrap();
        let event = r#"{"event":"command.started","data":{}}"#;
        let batch = format!(r#"{{"events":[{}]}}"#, [event; 900].join(","));
        scene.send(request("POST", "/events/batch", &headers(&other), batch)).await.expect(202);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    };
    let (answers, ()) = tokio::join!(dawdling, meanwhile);
    for answer in answers {
        assert!([408, 503].contains(&answer.status.as_u16()), "{}", answer.status);
    }
}
