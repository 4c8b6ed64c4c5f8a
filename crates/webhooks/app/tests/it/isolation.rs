//! Isolation: a crowd of hostile endpoints does not delay other webhooks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdev_access::Ids;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::{Access, DeliveryStatus, EventPattern, RetryPolicy, Webhook};
use tokio::time::Instant;

use crate::support::{Answer, Running, World, pass};

/// The longest permitted wait of another webhook.
const LIMIT: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The deadline of an attempt at an endpoint of the crowd.
const PATIENCE: Duration = MINUTE;

const CROWD: u16 = 1;
const GOOD: u16 = 2;
const SLOW: u16 = 3;
const FLAKY: u16 = 4;
/// The first port of new webhooks.
const NEW: u16 = 100;

fn url(port: u16) -> rdev_webhooks_domain::EndpointUrl {
    format!("http://127.0.0.1:{port}/").parse().unwrap()
}

/// A crowd of webhooks that receive every event and answer by script, and other webhooks that receive only
/// test deliveries.
struct Scene {
    world: World,
    options: WorkerOptions,
    good: Webhook,
    slow: Webhook,
    flaky: Webhook,
    new: u16,
}

impl Scene {
    async fn new(crowd: usize, options: WorkerOptions, answer: Answer) -> Self {
        let world = World::new(move |request, _| match request.url.port() {
            CROWD => answer.clone(),
            SLOW => Answer::StatusAfter(200, Duration::from_millis(2_500)),
            FLAKY if request.headers["x-rdev-attempt"] == "1" => Answer::Status(500),
            _ => Answer::Status(200),
        });
        for _ in 0..crowd {
            let member = |webhook: &mut Webhook| {
                webhook.settings.url = url(CROWD);
                webhook.settings.timeout = Some(PATIENCE);
            };
            world.webhook(member).await;
        }
        let good = other(&world, GOOD).await;
        let slow = other(&world, SLOW).await;
        let flaky = other(&world, FLAKY).await;
        Self { world, options, good, slow, flaky, new: NEW }
    }

    fn start(&self) -> Running {
        self.world.start_worker(self.options.clone())
    }

    fn arrived(&self, port: u16) -> usize {
        self.world.dispatcher.count(port)
    }

    /// Waits until `count` requests have arrived at a port. Returns how long that took.
    async fn until(&self, port: u16, count: usize) -> Duration {
        let began = Instant::now();
        while self.arrived(port) < count {
            assert!(began.elapsed() < 2 * MINUTE, "port {port} got no delivery");
            pass(Duration::from_millis(1)).await;
        }
        began.elapsed()
    }

    async fn delivers(&self, webhook: &Webhook, what: &str) {
        let port = webhook.settings.url.port();
        let before = self.arrived(port);
        self.world.webhooks.test(Access::everything(), webhook.id, Ids::fresh()).await.unwrap();
        let waited = self.until(port, before + 1).await;
        assert!(waited < LIMIT, "{what} waited {waited:?} in a pool of {}", self.options.workers);
    }

    /// Checks that each other webhook gets its delivery in time, and the slow one `at_once` deliveries before
    /// it responds to any.
    async fn no_webhook_waits(&mut self, when: &str, at_once: u32) {
        self.delivers(&self.good, &format!("{when}: a good one")).await;
        for _ in 0..at_once {
            self.delivers(&self.slow, &format!("{when}: a slow one")).await;
        }
        self.new += 1;
        let new = other(&self.world, self.new).await;
        for _ in 0..3 {
            self.delivers(&new, &format!("{when}: a new one")).await;
        }
        let before = self.arrived(FLAKY);
        self.delivers(&self.flaky, &format!("{when}: a flaky one")).await;
        let retried = self.until(FLAKY, before + 2).await;
        let latest = RetryPolicy::default().backoff_after(1).unwrap().mul_f64(1.1) + LIMIT;
        assert!(retried < latest, "{when}: a retry that is due after 5 s came after {retried:?}");
    }
}

async fn other(world: &World, port: u16) -> Webhook {
    let change = |webhook: &mut Webhook| {
        webhook.settings.url = url(port);
        webhook.settings.events = ["command.started".parse::<EventPattern>().unwrap()].into();
    };
    world.webhook(change).await
}

fn pools() -> [WorkerOptions; 2] {
    let small = WorkerOptions::default().with_workers(1).with_max_in_flight(4);
    [WorkerOptions::default(), small]
}

async fn no_webhook_waits_beside(crowd: usize, options: WorkerOptions, answer: Answer, events: u32) {
    let mut scene = Scene::new(crowd, options, answer).await;
    let worker = scene.start();
    scene.delivers(&scene.slow, "the first").await;
    pass(Duration::from_secs(3)).await;
    for _ in 0..events {
        scene.world.publish().await;
    }
    pass(Duration::from_millis(10)).await;
    scene.no_webhook_waits("at first", 3).await;
    scene.no_webhook_waits("later", 3).await;
    // A success that is not recorded yet would be taken for an attempt at a silent endpoint.
    pass(Duration::from_millis(20)).await;
    worker.kill().await;
    // The deliveries of the killed worker become claimable when its leases end, all at once.
    pass(PATIENCE + MINUTE).await;
    let worker = scene.start();
    // The new worker does not know the slow webhook. Its second delivery comes after the first ones of all
    // others.
    let at_once = if scene.options.workers == 1 { 1 } else { 3 };
    scene.no_webhook_waits("after a crash", at_once).await;
    pass(PATIENCE + Duration::from_secs(1)).await;
    scene.no_webhook_waits("when the retries of all are due", 3).await;
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn two_hundred_silent_endpoints_delay_no_other_webhook() {
    for options in pools() {
        no_webhook_waits_beside(200, options, Answer::Hang, 5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_silent_endpoints_delay_no_other_webhook() {
    for options in pools() {
        no_webhook_waits_beside(1_000, options, Answer::Hang, 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_use_almost_their_whole_deadline_delay_no_other_webhook() {
    let answer = Answer::StatusAfter(200, PATIENCE - Duration::from_secs(1));
    no_webhook_waits_beside(300, WorkerOptions::default(), answer, 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_endpoint_keeps_its_own_deadline_and_all_its_attempts() {
    let scene = Scene::new(50, pools()[1].clone(), Answer::Hang).await;
    let worker = scene.start();
    scene.world.publish().await;
    scene.until(CROWD, 50).await;
    worker.drain.cancel();
    worker.stop().await;
    let deliveries = scene.world.deliveries().await;
    assert_eq!(deliveries.len(), 50);
    for delivery in deliveries {
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Retrying, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn slow_attempts_do_not_enlarge_the_pool() {
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_millis(700)));
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default().with_workers(1).with_max_in_flight(2));
    for _ in 0..20 {
        world.publish().await;
    }
    let began = Instant::now();
    world.until_all(DeliveryStatus::Succeeded).await;
    assert!(began.elapsed() >= Duration::from_secs(7), "two at a time: {:?}", began.elapsed());
    worker.stop().await;
}

/// Creates a receiver that handles one request at a time, for `takes` each, and answers the others by `busy`.
fn serial(takes: Duration, busy: impl Fn(Duration) -> Answer + Send + Sync + 'static) -> World {
    let free_at = Arc::new(Mutex::new(None::<Instant>));
    World::new(move |_, _| {
        let now = Instant::now();
        let mut free_at = free_at.lock().unwrap();
        let wait = free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if wait.is_zero() {
            *free_at = Some(now + takes);
            return Answer::StatusAfter(200, takes);
        }
        let answer = busy(wait + takes);
        if matches!(answer, Answer::StatusAfter(200, _)) {
            *free_at = Some(now + wait + takes);
        }
        answer
    })
}

#[tokio::test(start_paused = true)]
async fn a_receiver_of_one_request_at_a_time_gets_every_event() {
    let takes = Duration::from_millis(1_100);
    let queues = serial(takes, |wait| Answer::StatusAfter(200, wait));
    let refuses = serial(takes, |_| Answer::Status(503));
    for world in [queues, refuses] {
        world.webhook(|webhook| webhook.settings.timeout = Some(Duration::from_secs(3))).await;
        let worker = world.start_worker(WorkerOptions::default());
        for _ in 0..16 {
            world.publish().await;
        }
        world.until_all(DeliveryStatus::Succeeded).await;
        worker.stop().await;
    }
}

/// Of many free slots, a page leaves half to the pages behind it. A few slots go to the pages in turn.
#[tokio::test(start_paused = true)]
async fn a_page_of_webhooks_leaves_slots_to_the_pages_behind_it() {
    const PAGE: usize = 256;
    for (slots, of_page, behind) in [(16, 8, 1), (15, 15, 0)] {
        let world = World::new(|_, number| match number {
            ..=257 => Answer::Status(200),
            _ => Answer::Hang,
        });
        for _ in 0..PAGE {
            world.webhook(|webhook| webhook.settings.url = url(CROWD)).await;
        }
        // The ids of webhooks have the order of their times.
        pass(Duration::from_millis(1)).await;
        world.webhook(|webhook| webhook.settings.url = url(GOOD)).await;
        let worker = world.start_worker(WorkerOptions::default().with_workers(1).with_max_in_flight(slots));
        // Webhooks that have succeeded may hold all slots.
        world.publish().await;
        world.until_all(DeliveryStatus::Succeeded).await;
        pass(MINUTE).await;
        world.publish().await;
        pass(Duration::from_millis(5)).await;
        let taken = (world.dispatcher.count(CROWD) - PAGE, world.dispatcher.count(GOOD) - 1);
        assert_eq!(taken, (of_page, behind), "of {slots} slots");
        worker.kill().await;
    }
}
