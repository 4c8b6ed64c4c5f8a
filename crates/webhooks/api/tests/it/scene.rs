//! The API over the in-memory store, and helpers for the tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use rdev_access::{ApiKeys, Idempotency};
use rdev_app::Ambient;
use rdev_webhooks_app::feed::Feed;
use rdev_webhooks_app::{Deliveries, EventTypeRegistry, Publisher, Replays, Services, Statistics, Webhooks};
use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, DispatchReport, DispatchRequest, Dispatcher, EventRepository,
    EventTypeRepository, LocalFault, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, Attempt, Claim, ClaimShare, DeliveryFilter, EndpointUrl, EventFilter, HealthEffect, PageRequest,
    RefusedDestination, Settled, Settlement, WebhookFilter,
};
use rdev_webhooks_http_api::{ApiOptions, router};
use rdev_webhooks_testkit::{ManualClock, MemoryStore, SeededEntropy, samples};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::answer::Answer;
use crate::conformance;

/// The administrator key of every test's API.
pub(crate) const KEY: &str = "rdev_0123456789abcdefghijklmnopqrstuvwxyz";

/// A valid webhook.
pub(crate) const WEBHOOK: &str =
    r#"{"url":"https://example.com/webhook","events":["command.completed","command.failed"]}"#;

/// The contract's own event.
pub(crate) const EVENT: &str = r#"{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}}"#;

/// A dispatcher that refuses URLs by their host name. It sends nothing: other tests cover sending.
pub(crate) struct Guard;

#[async_trait]
impl Dispatcher for Guard {
    async fn check_destination(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        let host = url.host().to_string();
        match host.as_str() {
            "panic.example" => panic!("a panic with s3cret particulars"),
            "slow.example" => std::future::pending().await,
            "forbidden.example" | "127.0.0.1" => {
                Err(RefusedDestination { host, reason: "it is not a public address" })
            }
            _ => Ok(()),
        }
    }

    async fn send(&self, _: DispatchRequest) -> Result<DispatchReport, LocalFault> {
        panic!("an API sends nothing")
    }
}

/// An API with all its services.
pub(crate) struct Scene {
    pub(crate) router: Router,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    /// Ends all streams.
    pub(crate) drain: CancellationToken,
}

impl Scene {
    /// Creates a scene. Must run inside a runtime, which runs the publisher.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// Creates a scene with some services replaced.
    pub(crate) fn with(change: impl FnOnce(&mut Services)) -> Self {
        Self::with_store(|services, _, _| change(services))
    }

    /// Creates a scene with some services replaced by others over the same store.
    pub(crate) fn with_store(change: impl FnOnce(&mut Services, Arc<MemoryStore>, Ambient)) -> Self {
        Self::made(|store| store, change, options())
    }

    /// Creates a scene whose callers are admitted by other options than [`KEY`].
    pub(crate) fn with_options(options: ApiOptions) -> Self {
        Self::made(|store| store, |_, _, _| {}, options)
    }

    /// Creates a scene whose webhooks are in the repository that `wrap` returns.
    pub(crate) fn over(wrap: impl FnOnce(Arc<MemoryStore>) -> Arc<dyn WebhookRepository>) -> Self {
        Self::made(wrap, |_, _, _| {}, options())
    }

    fn made(
        wrap: impl FnOnce(Arc<MemoryStore>) -> Arc<dyn WebhookRepository>,
        change: impl FnOnce(&mut Services, Arc<MemoryStore>, Ambient),
        options: ApiOptions,
    ) -> Self {
        crate::logging::install();
        let clock = Arc::new(ManualClock::default());
        let entropy = Arc::new(SeededEntropy::new(7));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let ambient = Ambient { clock: clock.clone(), entropy: entropy.clone() };
        let event_types = EventTypeRegistry::new(store.clone(), ambient.clone());
        let (publisher, task) = Publisher::new(store.clone(), ambient.clone(), event_types.clone());
        tokio::spawn(task.run());
        let (api_keys, noting) = ApiKeys::new(store.clone(), ambient.clone());
        tokio::spawn(noting.run());
        let (feed, watching) = Feed::new(store.clone(), store.clone());
        let drain = CancellationToken::new();
        tokio::spawn(watching.run(drain.clone()));
        let statistics = Statistics::new(store.clone(), Duration::from_secs(30 * 24 * 60 * 60)).0;
        let mut services = Services {
            publisher: publisher.clone(),
            replays: Replays::new(store.clone(), ambient.clone()),
            webhooks: Webhooks::new(
                wrap(store.clone()),
                store.clone(),
                Arc::new(Guard),
                publisher,
                event_types.clone(),
                ambient.clone(),
            ),
            api_keys,
            event_types,
            events: store.clone(),
            history: store.clone(),
            deliveries: Deliveries::new(store.clone(), store.clone(), statistics.clone()),
            queue: store.clone(),
            idempotency: Idempotency::new(store.clone(), ambient.clone()),
            statistics,
            feed,
            heartbeat: rdev_webhooks_app::deliver::Heartbeat::default(),
            outages: rdev_app::Outages::default(),
        };
        change(&mut services, store.clone(), ambient);
        let router = router(services, entropy.clone(), options);
        Self { router, store, clock, entropy, drain }
    }

    /// Sends a request unchanged, and checks what every response promises.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (request, sent) = overheard(request);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.check(method.as_str(), uri.path());
        conformance::check(&method, uri.path(), &sent.lock().unwrap(), &answer);
        answer
    }

    /// Sends a request with the administrator key.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(method, path, headers, Body::empty())).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[]).await
    }

    /// Sends JSON with the administrator key.
    pub(crate) async fn json(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(request(method, path, &[("content-type", "application/json")], body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.json("POST", path, body).await
    }

    /// Creates a webhook and returns its id.
    pub(crate) async fn webhook(&self) -> String {
        let made = self.post("/webhooks", WEBHOOK).await.expect(201);
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Publishes [`EVENT`] and returns the event's id.
    pub(crate) async fn event(&self) -> String {
        let accepted = self.post("/events", EVENT).await.expect(202);
        accepted.json()["id"].as_str().unwrap().to_owned()
    }

    /// Returns the only delivery of an event.
    pub(crate) async fn delivery_of(&self, event: &str) -> Value {
        let event = self.get(&format!("/events/{event}")).await.expect(200).json();
        event["deliveries"]["data"][0].clone()
    }

    /// Claims one delivery of a webhook, like a worker.
    pub(crate) async fn claim(&self, webhook: &str) -> rdev_webhooks_domain::LeasedDelivery {
        let claim = Claim {
            token: samples::token(&*self.entropy),
            shares: vec![ClaimShare {
                webhook: webhook.parse().unwrap(),
                take: 1,
                lease_for: Duration::from_secs(30),
                is_limited: true,
            }],
        };
        self.store.claim(&claim).await.unwrap().remove(0)
    }

    /// Claims one delivery of a webhook and records the result of the attempt.
    pub(crate) async fn attempt(&self, webhook: &str, settled: Settled, attempt: Attempt) {
        let leased = self.claim(webhook).await;
        let attempt = Attempt { number: leased.attempt, ..attempt };
        let settlement = Settlement {
            lease: leased.lease,
            settled,
            attempt: Some(attempt),
            gone: None,
            health: HealthEffect::None,
        };
        assert_eq!(self.store.settle(&[settlement]).await.unwrap(), [true]);
    }

    /// Returns everything that is stored, so that a test can tell whether it changed.
    pub(crate) async fn everything(&self) -> String {
        fn all<Id>() -> PageRequest<Id> {
            PageRequest { limit: 1_000, before: None }
        }
        let store = &*self.store;
        let webhooks = WebhookRepository::list(store, Access::everything(), &WebhookFilter::default(), all())
            .await
            .unwrap();
        let events =
            EventRepository::list(store, Access::everything(), &EventFilter::default(), all()).await.unwrap();
        let deliveries =
            DeliveryHistory::list(store, Access::everything(), &DeliveryFilter::default(), all())
                .await
                .unwrap();
        // `Debug` hides the paths of URLs and the values of headers.
        let hidden: Vec<_> = webhooks
            .items
            .iter()
            .map(|webhook| (webhook.settings.url.to_string(), webhook.settings.headers.as_map().len()))
            .collect();
        let types = store.all().await.unwrap();
        format!("{webhooks:?} {hidden:?} {events:?} {deliveries:?} {types:?}")
    }
}

fn options() -> ApiOptions {
    ApiOptions::new(KEY.into()).with_metrics(Arc::new(|| "scenes 1\n".to_owned()))
}

/// Returns a request, and the part of its body that is read.
fn overheard(request: Request<Body>) -> (Request<Body>, Arc<Mutex<Vec<u8>>>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    let (parts, body) = request.into_parts();
    let heard = read.clone();
    let body = body.map_frame(move |frame| {
        heard.lock().unwrap().extend(frame.data_ref().into_iter().flatten());
        frame
    });
    (Request::from_parts(parts, Body::new(body)), read)
}

/// Returns a request with the administrator key.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", format!("Bearer {KEY}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
