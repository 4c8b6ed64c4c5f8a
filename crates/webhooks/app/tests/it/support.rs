//! A test environment: a store, a scripted dispatcher, and paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rdev_app::Ambient;
use rdev_webhooks_app::deliver::{Heartbeat, Worker, WorkerOptions};
use rdev_webhooks_app::{EventDraft, EventTypeRegistry, Publisher, Statistics, Webhooks};
use rdev_webhooks_domain::ports::{
    Clock, DeliveryHistory, DeliveryQueue, DispatchReport, DispatchRequest, Dispatcher, EventRepository,
    LocalCause, LocalFault, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, AttemptOutcome, CapturedResponse, Delivery, DeliveryFilter, DeliveryStatus, EndpointUrl,
    PageRequest, Phases, RefusedDestination, Webhook,
};
use rdev_webhooks_testkit::{MemoryStore, SeededEntropy, TokioClock, samples};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The scripted endpoint's answer to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Status(u16),
    /// A 503 with this `Retry-After`.
    RetryAfter(String),
    StatusAfter(u16, Duration),
    Hang,
    Panic,
    /// This host cannot make the attempt.
    LocalFault,
}

type Script = Box<dyn Fn(&DispatchRequest, usize) -> Answer + Send + Sync>;

/// A dispatcher that answers by a script and records its requests.
pub(crate) struct ScriptedDispatcher {
    script: Script,
    sent: Mutex<Vec<(Instant, DispatchRequest)>>,
}

impl ScriptedDispatcher {
    /// Returns the number of requests to a port.
    pub(crate) fn count(&self, port: u16) -> usize {
        self.sent.lock().unwrap().iter().filter(|(_, sent)| sent.url.port() == port).count()
    }

    pub(crate) fn sent(&self) -> Vec<(Instant, DispatchRequest)> {
        self.sent.lock().unwrap().clone()
    }
}

#[async_trait]
impl Dispatcher for ScriptedDispatcher {
    async fn check_destination(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        rdev_webhooks_domain::DestinationPolicy::default().judge_host(&url.host())
    }

    async fn send(&self, request: DispatchRequest) -> Result<DispatchReport, LocalFault> {
        let started = Instant::now();
        let number = {
            let mut sent = self.sent.lock().unwrap();
            sent.push((started, request.clone()));
            sent.len()
        };
        let mut headers = Vec::new();
        let status = match (self.script)(&request, number) {
            Answer::Status(status) => Some(status),
            Answer::RetryAfter(value) => {
                headers.push(("retry-after".to_owned(), value));
                Some(503)
            }
            Answer::StatusAfter(status, wait) => {
                tokio::time::timeout(request.deadline, tokio::time::sleep(wait)).await.ok().map(|()| status)
            }
            Answer::Hang => {
                let never = std::future::pending::<()>();
                let _ = tokio::time::timeout(request.deadline, never).await;
                None
            }
            Answer::Panic => panic!("the script says so"),
            Answer::LocalFault => {
                let detail = "too many open files".to_owned();
                return Err(LocalFault { cause: LocalCause::Resources, detail });
            }
        };
        let outcome = match status {
            Some(status) => {
                AttemptOutcome::answered(CapturedResponse { status, headers, ..CapturedResponse::default() })
            }
            None => AttemptOutcome::failed(rdev_webhooks_domain::FailureClass::Timeout, "too late"),
        };
        let phases = Phases {
            connect: Some(Duration::from_micros(2_500)),
            first_byte: Some(Duration::from_millis(10)),
            ..Phases::default()
        };
        Ok(DispatchReport { outcome, duration: started.elapsed(), phases })
    }
}

/// All use cases on one store, without a worker.
pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) dispatcher: Arc<ScriptedDispatcher>,
    pub(crate) ambient: Ambient,
    pub(crate) event_types: EventTypeRegistry,
    pub(crate) publisher: Publisher,
    pub(crate) webhooks: Webhooks,
    pub(crate) statistics: Statistics,
}

/// A running worker.
pub(crate) struct Running {
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops the worker, and waits until it has ended.
    pub(crate) async fn stop(self) {
        self.drain.cancel();
        self.task.await.unwrap();
    }

    /// Waits until the worker ends by itself.
    pub(crate) async fn end(self) {
        self.task.await.unwrap();
    }

    /// Kills the worker wherever it is, as a crash would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }
}

impl World {
    pub(crate) fn new(script: impl Fn(&DispatchRequest, usize) -> Answer + Send + Sync + 'static) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::default());
        let ambient = Ambient { clock: Arc::clone(&clock), entropy: Arc::new(SeededEntropy::new(7)) };
        let store = Arc::new(MemoryStore::new(clock));
        let dispatcher = Arc::new(ScriptedDispatcher { script: Box::new(script), sent: Mutex::default() });
        let events: Arc<dyn EventRepository> = store.clone();
        let event_types = EventTypeRegistry::new(store.clone(), ambient.clone());
        let (publisher, task) = Publisher::new(events, ambient.clone(), event_types.clone());
        tokio::spawn(task.run());
        let webhooks = Webhooks::new(
            store.clone(),
            store.clone(),
            dispatcher.clone(),
            publisher.clone(),
            event_types.clone(),
            ambient.clone(),
        );
        let (statistics, task) = Statistics::new(store.clone(), Duration::from_secs(30 * 24 * 60 * 60));
        tokio::spawn(task.run(CancellationToken::new()));
        Self { store, dispatcher, ambient, event_types, publisher, webhooks, statistics }
    }

    pub(crate) fn start_worker(&self, options: WorkerOptions) -> Running {
        self.start_worker_on(self.store.clone(), options)
    }

    pub(crate) fn start_worker_on(&self, queue: Arc<dyn DeliveryQueue>, options: WorkerOptions) -> Running {
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let worker = Worker::new(
            queue,
            self.dispatcher.clone(),
            self.ambient.clone(),
            options,
            Heartbeat::default(),
            self.statistics.clone(),
        );
        let task = tokio::spawn(worker.run(drain.clone(), abort.clone()));
        Running { drain, abort, task }
    }

    /// Creates a webhook that receives everything, after `change` has modified it.
    pub(crate) async fn webhook(&self, change: impl FnOnce(&mut Webhook)) -> Webhook {
        let mut webhook = samples::webhook(&*self.ambient.entropy, self.ambient.clock.now());
        change(&mut webhook);
        let secrets = samples::secrets(&*self.ambient.entropy);
        WebhookRepository::create(&*self.store, &webhook, &secrets).await.unwrap();
        webhook
    }

    pub(crate) async fn publish(&self) {
        self.publisher.publish(draft()).await.unwrap();
    }

    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let page = PageRequest { limit: 10_000, before: None };
        DeliveryHistory::list(&*self.store, Access::everything(), &DeliveryFilter::default(), page)
            .await
            .unwrap()
            .items
    }

    /// Lets time pass until every delivery has this status.
    pub(crate) async fn until_all(&self, status: DeliveryStatus) {
        let all = async {
            loop {
                let deliveries = self.deliveries().await;
                if deliveries.iter().all(|delivery| delivery.state.status() == status) {
                    return;
                }
                pass(Duration::from_millis(10)).await;
            }
        };
        let deadline = Duration::from_secs(24 * 60 * 60);
        if tokio::time::timeout(deadline, all).await.is_err() {
            panic!("not all became {status:?}: {:?}", self.deliveries().await);
        }
    }
}

/// Lets paused time pass, so that what becomes due happens.
pub(crate) async fn pass(by: Duration) {
    tokio::time::sleep_until(Instant::now() + by).await;
}

pub(crate) fn draft() -> EventDraft {
    EventDraft {
        event_type: "command.completed".parse().unwrap(),
        timestamp: None,
        key: None,
        project: None,
        data: "{}".to_owned(),
        traceparent: None,
    }
}
