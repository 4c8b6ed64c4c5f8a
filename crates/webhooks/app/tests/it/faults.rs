//! The calls of the worker to the database: while it is unavailable, and at low load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_access::Ids;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::ports::{AdvanceClaim, Cancellation, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Access, Claim, DeliveryId, DeliveryStatus, Discovery, LeaseRef, LeasedDelivery, QueueStats, RateLimit,
    RedeliveryRequest, Settlement, WakeUp, WebhookId,
};
use rdev_webhooks_testkit::MemoryStore;

use tokio::sync::Mutex;

use crate::support::{Answer, World, pass};

/// A queue that can be made unavailable or defective, whose wake-ups can be silenced, and that counts its
/// calls.
struct Faulty {
    inner: Arc<MemoryStore>,
    away: AtomicBool,
    /// Settling panics.
    defective: AtomicBool,
    /// Settling waits while the test holds this.
    held: Mutex<()>,
    silent: bool,
    calls: AtomicU32,
    discoveries: AtomicU32,
    claims: AtomicU32,
    settlings: AtomicU32,
    takes_advance_claims: AtomicBool,
    /// How long a discovery takes.
    discovery_ms: AtomicU32,
}

impl Faulty {
    fn around(inner: Arc<MemoryStore>, silent: bool) -> Arc<Self> {
        let (away, defective) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self {
            inner,
            away,
            defective,
            held: Mutex::default(),
            silent,
            calls: AtomicU32::new(0),
            discoveries: AtomicU32::new(0),
            claims: AtomicU32::new(0),
            settlings: AtomicU32::new(0),
            takes_advance_claims: AtomicBool::new(false),
            discovery_ms: AtomicU32::new(0),
        })
    }

    fn call(&self) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("taken away by the test".into()));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl DeliveryQueue for Faulty {
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError> {
        self.discoveries.fetch_add(1, Ordering::Relaxed);
        let takes = self.discovery_ms.load(Ordering::Relaxed);
        if takes > 0 {
            pass(Duration::from_millis(takes.into())).await;
        }
        self.call()?.discover(after, limit).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
        self.claims.fetch_add(1, Ordering::Relaxed);
        self.call()?.claim(claim).await
    }

    fn claim_in_advance(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>> {
        let takes_them = self.takes_advance_claims.load(Ordering::Relaxed);
        takes_them.then(|| self.inner.claim_in_advance(claim)).flatten()
    }

    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError> {
        self.call()?.release(leases).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        let _held = self.held.lock().await;
        assert!(!self.defective.load(Ordering::Relaxed), "settling panics by order of the test");
        self.settlings.fetch_add(1, Ordering::Relaxed);
        self.call()?.settle(settlements).await
    }

    async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        self.call()?.redeliver(access, id, request).await
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        self.call()?.survey().await
    }

    async fn cancel(&self, access: &Access, id: DeliveryId) -> Result<Option<Cancellation>, StoreError> {
        self.call()?.cancel(access, id).await
    }

    async fn wait_for_work(&self) -> WakeUp {
        if self.silent { std::future::pending().await } else { self.inner.wait_for_work().await }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.call()?.check().await
    }
}

/// A wake-up names the webhooks that have work, so that only the polls and unknown webhooks need a discovery.
#[tokio::test(start_paused = true)]
async fn announced_deliveries_need_no_discovery() {
    let world = World::new(|_, _| Answer::Status(200));
    let webhooks = [world.webhook(|_| {}).await, world.webhook(|_| {}).await];
    let queue = Faulty::around(world.store.clone(), false);
    let options = WorkerOptions::default().with_poll_interval(Duration::from_secs(5));
    let worker = world.start_worker_on(queue.clone(), options);
    world.publish().await;
    pass(Duration::from_millis(100)).await;
    let before = queue.discoveries.load(Ordering::Relaxed);
    for n in 2..40 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
        assert_eq!(world.dispatcher.sent().len(), n * webhooks.len(), "each is sent at once");
    }
    let discoveries = queue.discoveries.load(Ordering::Relaxed) - before;
    assert!(discoveries <= 1, "{discoveries} in 4 s");
    worker.stop().await;
}

/// While a crowd of five pages is due, announced deliveries of another webhook do not wait until the round comes to its
/// page.
#[tokio::test(start_paused = true)]
async fn announced_deliveries_are_claimed_ahead_of_a_long_round() {
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_millis(1)));
    for _ in 0..1_200 {
        world.webhook(|_| {}).await;
    }
    pass(Duration::from_millis(1)).await;
    let other = world
        .webhook(|webhook| {
            webhook.settings.url = "http://127.0.0.1:2/".parse().unwrap();
            webhook.settings.events = ["command.started".parse().unwrap()].into();
        })
        .await;
    let queue = Faulty::around(world.store.clone(), false);
    let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
    let arrives = async || {
        let (before, began) = (world.dispatcher.count(2), tokio::time::Instant::now());
        world.webhooks.test(Access::everything(), other.id, Ids::fresh()).await.unwrap();
        while world.dispatcher.count(2) == before {
            pass(Duration::from_millis(1)).await;
        }
        began.elapsed()
    };
    arrives().await;
    queue.discovery_ms.store(20, Ordering::Relaxed);
    for _ in 0..40 {
        world.publish().await;
    }
    pass(Duration::from_millis(100)).await;
    for _ in 0..10 {
        let waited = arrives().await;
        assert!(waited < Duration::from_millis(50), "waited {waited:?}");
        pass(Duration::from_millis(7)).await;
    }
    worker.kill().await;
}

/// What the worker's own process publishes to known webhooks is leased at once, so that only the polls and unknown
/// webhooks need a claim.
#[tokio::test(start_paused = true)]
async fn new_deliveries_of_the_process_need_no_claim() {
    let world = World::new(|_, _| Answer::Status(200));
    let webhooks = [world.webhook(|_| {}).await, world.webhook(|_| {}).await];
    let queue = Faulty::around(world.store.clone(), false);
    queue.takes_advance_claims.store(true, Ordering::Relaxed);
    let options = WorkerOptions::default().with_poll_interval(Duration::from_secs(5));
    let worker = world.start_worker_on(queue.clone(), options);
    world.publish().await;
    pass(Duration::from_millis(100)).await;
    let before = queue.claims.load(Ordering::Relaxed);
    for n in 2..40 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
        assert_eq!(world.dispatcher.sent().len(), n * webhooks.len(), "each is sent at once");
    }
    let claims = queue.claims.load(Ordering::Relaxed) - before;
    assert!(claims <= 1, "{claims} in 4 s");
    worker.stop().await;
    // A worker that has stopped has left no claim behind.
    world.publish().await;
    let waiting = world.store.discover(None, 10).await.unwrap();
    assert_eq!(waiting.due.len(), webhooks.len());
}

/// Together the webhooks may take more than there are slots, which says nothing about how many deliveries they have.
#[tokio::test(start_paused = true)]
async fn a_few_new_deliveries_need_one_claim() {
    let world = World::new(|_, _| Answer::Status(200));
    for _ in 0..20 {
        world.webhook(|_| {}).await;
    }
    let queue = Faulty::around(world.store.clone(), false);
    let options = WorkerOptions::default().with_poll_interval(Duration::from_secs(60));
    let worker = world.start_worker_on(queue.clone(), options);
    for _ in 0..100 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
    }
    let before = (queue.claims.load(Ordering::Relaxed), queue.discoveries.load(Ordering::Relaxed));
    for _ in 0..10 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
    }
    let now = (queue.claims.load(Ordering::Relaxed), queue.discoveries.load(Ordering::Relaxed));
    assert_eq!(now.0 - before.0, 10);
    assert!(now.1 - before.1 <= 1, "{} discoveries in 1 s", now.1 - before.1);
    worker.stop().await;
}

/// A discovery beside many webhooks takes long.
#[tokio::test(start_paused = true)]
async fn new_deliveries_of_the_process_do_not_wait_for_a_discovery() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), false);
    queue.takes_advance_claims.store(true, Ordering::Relaxed);
    let options = WorkerOptions::default().with_poll_interval(Duration::from_secs(5));
    let worker = world.start_worker_on(queue.clone(), options);
    for _ in 0..2 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
    }
    queue.discovery_ms.store(500, Ordering::Relaxed);
    let before = queue.discoveries.load(Ordering::Relaxed);
    while queue.discoveries.load(Ordering::Relaxed) == before {
        pass(Duration::from_millis(10)).await;
    }
    world.publish().await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(world.dispatcher.sent().len(), 3, "the discovery takes longer");
    worker.stop().await;
}

/// Webhooks with limits are never leased from in advance, and so do not make the others too many.
#[tokio::test(start_paused = true)]
async fn new_deliveries_need_no_claim_beside_webhooks_with_limits() {
    let world = World::new(|_, _| Answer::Status(200));
    for _ in 0..100 {
        world.webhook(|webhook| webhook.settings.rate_limit = RateLimit::per_second(0.001)).await;
    }
    world.publish().await;
    let queue = Faulty::around(world.store.clone(), false);
    queue.takes_advance_claims.store(true, Ordering::Relaxed);
    let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
    world.webhook(|_| {}).await;
    world.publish().await;
    pass(Duration::from_millis(100)).await;
    let before = (queue.claims.load(Ordering::Relaxed), world.dispatcher.sent().len());
    for n in 1..20 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
        assert_eq!(world.dispatcher.sent().len(), before.1 + n);
    }
    let claims = queue.claims.load(Ordering::Relaxed) - before.0;
    assert!(claims <= 2, "{claims} in 2 s");
    worker.stop().await;
}

/// The record of a success waits a moment for others, but not that of a failure.
#[tokio::test(start_paused = true)]
async fn a_few_successes_are_recorded_together() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), false);
    let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
    for _ in 0..4 {
        world.publish().await;
        pass(Duration::from_millis(2)).await;
    }
    assert_eq!((world.dispatcher.sent().len(), queue.settlings.load(Ordering::Relaxed)), (4, 0));
    pass(Duration::from_millis(10)).await;
    assert_eq!(queue.settlings.load(Ordering::Relaxed), 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn outcomes_wait_for_the_database_and_nothing_is_sent_twice() {
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_secs(1)));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), false);
    let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
    world.publish().await;
    pass(Duration::from_millis(500)).await;
    queue.away.store(true, Ordering::Relaxed);
    let before = queue.calls.load(Ordering::Relaxed);
    pass(Duration::from_secs(20)).await;
    let asked = queue.calls.load(Ordering::Relaxed) - before;
    assert!((10..60).contains(&asked), "the worker neither gives up nor spins: {asked} calls in 20 s");
    assert_eq!(world.deliveries().await[0].state.status(), DeliveryStatus::InFlight);

    queue.away.store(false, Ordering::Relaxed);
    pass(Duration::from_secs(3)).await;
    assert_eq!(world.deliveries().await[0].state.status(), DeliveryStatus::Succeeded);
    assert_eq!(world.dispatcher.sent().len(), 1);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_longer_than_a_lease_nothing_is_sent_twice() {
    for count in [1, 30, 600] {
        let world =
            World::new(|_, number| Answer::StatusAfter(200, Duration::from_millis(500 + number as u64)));
        for _ in 0..count {
            world.webhook(|_| {}).await;
        }
        let queue = Faulty::around(world.store.clone(), false);
        let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
        for _ in 0..3 {
            world.publish().await;
            pass(Duration::from_millis(450)).await;
            queue.away.store(true, Ordering::Relaxed);
            // A lease lasts 45 s.
            pass(Duration::from_secs(100)).await;
            queue.away.store(false, Ordering::Relaxed);
            world.until_all(DeliveryStatus::Succeeded).await;
        }
        worker.stop().await;
        assert_eq!(world.dispatcher.sent().len(), 3 * count);
        assert!(world.deliveries().await.iter().all(|delivery| delivery.attempts == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_wait_for_their_record_hold_no_slot_and_are_bounded() {
    const SLOTS: usize = 4;
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_millis(10)));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), false);
    let held = queue.held.lock().await;
    let options = WorkerOptions::default().with_workers(1).with_max_in_flight(SLOTS);
    let worker = world.start_worker_on(queue.clone(), options);
    for _ in 0..10 * SLOTS {
        world.publish().await;
    }
    pass(Duration::from_secs(5)).await;
    let sent = world.dispatcher.sent().len();
    assert!((2 * SLOTS..3 * SLOTS).contains(&sent), "{sent} were sent, and nothing is recorded yet");
    drop(held);
    world.until_all(DeliveryStatus::Succeeded).await;
    assert_eq!(world.dispatcher.sent().len(), 10 * SLOTS);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_if_its_settler_panics() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), false);
    queue.defective.store(true, Ordering::Relaxed);
    let worker = world.start_worker_on(queue, WorkerOptions::default());
    world.publish().await;
    tokio::time::timeout(Duration::from_secs(60), worker.end()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn options_out_of_bounds_are_clamped() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|_| {}).await;
    let least = WorkerOptions::default()
        .with_workers(0)
        .with_max_in_flight(0)
        .with_max_in_flight_per_webhook(0)
        .with_max_parked(0)
        .with_delivery_timeout(Duration::ZERO)
        .with_poll_interval(Duration::ZERO);
    let most = WorkerOptions::default()
        .with_workers(usize::MAX)
        .with_max_in_flight(usize::MAX)
        .with_max_in_flight_per_webhook(u32::MAX)
        .with_max_parked(usize::MAX)
        .with_delivery_timeout(Duration::MAX)
        .with_poll_interval(Duration::MAX);
    for options in [least, most] {
        let queue = Faulty::around(world.store.clone(), false);
        let worker = world.start_worker_on(queue.clone(), options);
        world.publish().await;
        world.until_all(DeliveryStatus::Succeeded).await;
        pass(Duration::from_secs(10)).await;
        let asked = queue.calls.load(Ordering::Relaxed);
        assert!(asked <= 2_000, "the worker does not spin: {asked} calls in 10 s");
        worker.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn polling_works_without_wake_ups() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|_| {}).await;
    let queue = Faulty::around(world.store.clone(), true);
    let worker = world.start_worker_on(queue, WorkerOptions::default());
    pass(Duration::from_secs(10)).await;
    world.publish().await;
    pass(Duration::from_millis(600)).await;
    assert_eq!(world.deliveries().await[0].state.status(), DeliveryStatus::Succeeded);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_makes_few_calls() {
    let world = World::new(|_, _| Answer::Hang);
    // Deliveries that wait for a slot, for a rate or for their time must not keep the worker busy either.
    world.webhook(|webhook| webhook.settings.max_in_flight = std::num::NonZeroU32::new(1)).await;
    let queue = Faulty::around(world.store.clone(), false);
    let worker = world.start_worker_on(queue.clone(), WorkerOptions::default());
    world.publish().await;
    world.publish().await;
    pass(Duration::from_secs(1)).await;
    let before = queue.calls.load(Ordering::Relaxed);
    pass(Duration::from_secs(10)).await;
    let asked = queue.calls.load(Ordering::Relaxed) - before;
    assert!(asked <= 22, "two polls a second: {asked} calls in 10 s");
    worker.abort.cancel();
    worker.stop().await;
}
