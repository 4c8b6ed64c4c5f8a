//! Deliveries within a test.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks::Ambient;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use rdev_webhooks::PublishConnection;
use rdev_webhooks_app::deliver::{decide, prepare};
use rdev_webhooks_domain::ports::{
    Clock, DeliveryQueue, DispatchRequest, Entropy, EventRepository, WebhookRepository,
};
use rdev_webhooks_domain::signing::SigningSecret;
use rdev_webhooks_domain::{
    Attempt, AttemptOutcome, CapturedResponse, Claim, ClaimShare, EventPattern, FailureClass, LeaseToken,
    LeasedDelivery, Phases, Settlement, SigningSecrets, Webhook, WebhookId, WebhookSettings, WebhookState,
};
use rdev_webhooks_testkit::receiver::NoResponse;

use crate::{ManualClock, MemoryStore, ReceivedRequest, Script, SeededEntropy};

/// The deadline of an attempt at a webhook without a deadline of its own, as that of a worker.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// The number of deliveries in a claim, and how long they are leased. No other worker claims them.
const CLAIM: (u32, Duration) = (100, Duration::from_secs(60));

/// Webhooks in memory whose deliveries a test makes. Signing, matching, retries, circuits and 410 are those of a
/// worker, except that a retry is never later than its wait.
///
/// Its clock stands still at the time of its creation until the test moves it.
pub struct TestWebhooks {
    clock: Arc<ManualClock>,
    entropy: Box<dyn Entropy>,
    store: Arc<MemoryStore>,
    receivers: Mutex<BTreeMap<WebhookId, TestReceiver>>,
}

/// The receiver of one webhook of [`TestWebhooks`]. Clones share the requests.
#[derive(Clone)]
pub struct TestReceiver {
    webhook: WebhookId,
    secret: SigningSecret,
    script: Script,
    requests: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Default for TestWebhooks {
    fn default() -> Self {
        Self::new()
    }
}

impl TestWebhooks {
    /// Creates an empty store in memory.
    #[must_use]
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Ambient::system().now()));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self { clock, entropy: Box::new(SeededEntropy::new(0)), store, receivers: Mutex::default() }
    }

    /// Returns the clock. Deliveries become due by it.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Returns the store, which implements the ports.
    #[must_use]
    pub fn store(&self) -> &Arc<MemoryStore> {
        &self.store
    }

    /// Creates a webhook for the events of a pattern, such as `order.created`, `order.*` or `*`, whose receiver
    /// answers by script: a [`Reply`](crate::Reply), or several for one request after the other; the last is
    /// repeated.
    pub async fn receiver(&self, pattern: &str, script: impl Into<Script>) -> TestReceiver {
        let pattern: EventPattern = pattern.parse().expect("the pattern is valid");
        let url = "https://receiver.test/".parse().expect("the URL is valid");
        self.webhook(WebhookSettings::new(url, [pattern]), script).await
    }

    /// Creates a webhook with all its settings, whose receiver answers by script. Nothing is sent to its URL.
    pub async fn webhook(&self, settings: WebhookSettings, script: impl Into<Script>) -> TestReceiver {
        let now = self.clock.now();
        let secret = SigningSecret::generate(settings.signing, self.entropy.bytes());
        let secrets = SigningSecrets::new(secret.clone());
        let mut webhook = Webhook {
            id: WebhookId::from_parts(now, self.entropy.bytes()),
            settings,
            public_key: None,
            previous_secret: None,
            state: WebhookState::Enabled,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        webhook.set_public_keys(&secrets);
        self.store.create(&webhook, &secrets).await.expect("the store is in memory");
        let receiver =
            TestReceiver { webhook: webhook.id, secret, script: script.into(), requests: Arc::default() };
        self.receivers().insert(webhook.id, receiver.clone());
        receiver
    }

    /// Takes over the events that an open transaction has published, as if it were committed, and delivers everything
    /// due like [`Self::deliver_all`]. The transaction does not change.
    ///
    /// # Panics
    ///
    /// Panics with the error of the database.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub async fn deliver_all_in<C: PublishConnection + ?Sized>(&self, conn: &mut C) -> usize {
        let events: Vec<_> =
            crate::published_in(conn).await.into_iter().map(|published| published.event).collect();
        // An event that was taken over before is there already, and adds nothing.
        self.store.publish(&events).await.expect("the store is in memory");
        self.deliver_all().await
    }

    /// Delivers everything that is due by the clock, one attempt after the other, and returns the number of attempts.
    /// A failed attempt is due again after its wait, and what a rate limit does not allow yet is due when it does:
    /// [advance](ManualClock::advance) the clock, and call this again.
    ///
    /// A reply that never comes counts as a timeout, without waiting for it.
    pub async fn deliver_all(&self) -> usize {
        let mut attempts = 0;
        loop {
            let due = self.store.discover(None, u32::MAX).await.expect("the store is in memory").due;
            let share = |webhook| ClaimShare { webhook, take: CLAIM.0, lease_for: CLAIM.1, is_limited: true };
            let claim = Claim {
                token: LeaseToken::new(i64::from_le_bytes(self.entropy.bytes())),
                shares: due.iter().map(|due| share(due.id)).collect(),
            };
            let leased = self.store.claim(&claim).await.expect("the store is in memory");
            if leased.is_empty() {
                return attempts;
            }
            for delivery in leased {
                let settlement = self.attempt(&delivery).await;
                self.store.settle(&[settlement]).await.expect("the store is in memory");
                attempts += 1;
            }
        }
    }

    async fn attempt(&self, leased: &LeasedDelivery) -> Settlement {
        let started_at = self.clock.now();
        let prepared = prepare(leased, started_at, DELIVERY_TIMEOUT);
        let receiver = self.receivers().get(&leased.target.webhook_id).cloned();
        let (outcome, duration) = match receiver {
            Some(receiver) => receiver.receive(prepared.request).await,
            None => (AttemptOutcome::failed(FailureClass::Connect, "there is no receiver"), Duration::ZERO),
        };
        let decision = decide(leased, &outcome, duration, self.clock.now(), 0.0);
        Settlement {
            lease: leased.lease,
            settled: decision.settled,
            attempt: Some(Attempt {
                number: leased.attempt,
                trigger: leased.trigger,
                started_at,
                duration,
                phases: Phases::default(),
                signature: prepared.signature,
                outcome,
            }),
            gone: decision.gone.then_some(leased.target.version),
            health: decision.health,
        }
    }

    fn receivers(&self) -> MutexGuard<'_, BTreeMap<WebhookId, TestReceiver>> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestReceiver {
    /// Returns the webhook's id.
    #[must_use]
    pub fn webhook(&self) -> WebhookId {
        self.webhook
    }

    /// Returns the secret that signs the deliveries.
    #[must_use]
    pub fn secret(&self) -> &SigningSecret {
        &self.secret
    }

    /// Returns all requests, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().clone()
    }

    /// Returns the outcome of a request, and how long it took.
    async fn receive(&self, request: DispatchRequest) -> (AttemptOutcome, Duration) {
        let deadline = request.deadline;
        let request = ReceivedRequest::from(request);
        let number = {
            let mut requests = self.lock();
            requests.push(request.clone());
            requests.len() - 1
        };
        match self.script.reply(number, &request).play().await {
            Ok(response) => {
                let header =
                    |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                let headers = response.headers().iter();
                let captured = CapturedResponse {
                    status: response.status().as_u16(),
                    headers: headers.map(|(name, value)| (name.to_string(), header(value))).collect(),
                    body: response.into_body(),
                    truncated: false,
                };
                (AttemptOutcome::answered(captured), Duration::ZERO)
            }
            Err(NoResponse::Closed) => {
                let detail = "the endpoint closed the connection without a response";
                (AttemptOutcome::failed(FailureClass::Reset, detail), Duration::ZERO)
            }
            Err(NoResponse::Hanging) => {
                (AttemptOutcome::failed(FailureClass::Timeout, "the endpoint did not respond"), deadline)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ReceivedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TestWebhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestWebhooks").field("store", &self.store).finish_non_exhaustive()
    }
}

impl fmt::Debug for TestReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.lock().len();
        f.debug_struct("TestReceiver")
            .field("webhook", &self.webhook)
            .field("requests", &requests)
            .finish_non_exhaustive()
    }
}
