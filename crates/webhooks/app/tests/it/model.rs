//! A model test of the worker: arbitrary answers, workers that stop or die, wrong clocks, and redeliveries.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::ports::{Clock, DeliveryHistory, DeliveryQueue, Redelivery};
use rdev_webhooks_domain::{
    Access, Attempt, Delivery, DeliveryId, DeliveryState, FailureClass, FailureReason, PageRequest,
    Timestamp, Trigger,
};
use rdev_webhooks_testkit::soak;

use crate::support::{Answer, Running, World, pass};

/// The number of automatic attempts of the default retry policy.
const MAX_AUTOMATIC: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Publish(u32),
    Pass(Duration),
    /// Requests a redelivery of one of the deliveries.
    Redeliver(prop::sample::Index),
    /// Aborts the worker, which releases its deliveries, and starts another.
    Restart,
    /// Kills the worker at any point and starts another.
    Kill,
    /// Sets the error of the workers' clock, in seconds.
    SetClock(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..8_u32).prop_map(Step::Publish),
        4 => (1..90_000_u64).prop_map(|ms| Step::Pass(Duration::from_millis(ms))),
        2 => any::<prop::sample::Index>().prop_map(Step::Redeliver),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => (-100_000..100_000_i64).prop_map(Step::SetClock),
    ];
    prop::collection::vec(step, 1..40)
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        4 => Just(Answer::Status(200)),
        4 => Just(Answer::Status(500)),
        2 => Just(Answer::Status(404)),
        2 => (0..20_000_u64).prop_map(|ms| Answer::StatusAfter(200, Duration::from_millis(ms))),
        1 => Just(Answer::Hang),
        1 => Just(Answer::Panic),
    ];
    prop::collection::vec(answer, 1..30)
}

/// A wrong clock.
struct Off {
    right: Arc<dyn Clock>,
    by_seconds: AtomicI64,
}

impl Clock for Off {
    fn now(&self) -> Timestamp {
        let by = self.by_seconds.load(Ordering::Relaxed);
        let off = Duration::from_secs(by.unsigned_abs());
        if by < 0 { self.right.now() - off } else { self.right.now() + off }
    }
}

struct Run {
    world: World,
    clock: Arc<Off>,
    worker: Running,
    asked: HashMap<DeliveryId, usize>,
}

fn options() -> WorkerOptions {
    // A poll only every few seconds, so that the wake-ups are tested too.
    WorkerOptions::default().with_workers(2).with_poll_interval(Duration::from_secs(5))
}

impl Run {
    async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Publish(count) => {
                for _ in 0..count {
                    self.world.publish().await;
                }
            }
            Step::Pass(by) => pass(by).await,
            Step::Redeliver(which) => {
                let deliveries = self.world.deliveries().await;
                if !deliveries.is_empty() {
                    let id = which.get(&deliveries).id;
                    let answer = self
                        .world
                        .store
                        .redeliver(Access::everything(), id, &Trigger::Manual.into())
                        .await
                        .unwrap()
                        .unwrap();
                    if matches!(answer, Redelivery::Queued(_)) {
                        *self.asked.entry(id).or_default() += 1;
                    }
                }
            }
            Step::Restart => {
                self.worker.abort.cancel();
                self.worker.stop().await;
                self.worker = self.world.start_worker(options());
            }
            Step::Kill => {
                self.worker.kill().await;
                self.worker = self.world.start_worker(options());
            }
            Step::SetClock(by) => {
                self.clock.by_seconds.store(by, Ordering::Relaxed);
            }
        }
        self
    }

    async fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        let page = PageRequest { limit: 1_000, before: None };
        let mut attempts = self.world.store.attempts(id, page).await.unwrap().items;
        attempts.reverse();
        attempts
    }

    /// Checks a delivery's history against the rules.
    async fn check(&self, delivery: &Delivery) {
        let attempts = self.attempts(delivery.id).await;
        let asked = self.asked.get(&delivery.id).copied().unwrap_or_default();
        let context = || format!("{asked} redeliveries requested: {delivery:#?} {attempts:#?}");

        let is_abandoned = |attempt: &Attempt| {
            attempt.outcome.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Abandoned)
        };
        let made =
            |trigger| attempts.iter().filter(|one| one.trigger == trigger && !is_abandoned(one)).count();
        assert!(made(Trigger::Automatic) <= MAX_AUTOMATIC, "{}", context());
        assert!(made(Trigger::Manual) <= asked, "{}", context());

        let first_success = attempts.iter().position(|one| one.outcome.is_success());
        let after = first_success.map_or(&[][..], |place| &attempts[place + 1..]);
        assert!(after.iter().all(|one| one.trigger == Trigger::Manual), "{}", context());

        let last = attempts.last().map(|one| one.outcome.is_success());
        match delivery.state {
            DeliveryState::Succeeded { .. } => assert_eq!(last, Some(true), "{}", context()),
            DeliveryState::Failed { reason, .. } => {
                assert_eq!(last, Some(false), "{}", context());
                if reason == FailureReason::AttemptsExhausted {
                    assert_eq!(made(Trigger::Automatic), MAX_AUTOMATIC, "{}", context());
                }
            }
            _ => panic!("the delivery is stuck: {}", context()),
        }
    }
}

async fn run(steps: Vec<Step>, answers: Vec<Answer>) {
    let calm = Arc::new(AtomicBool::new(false));
    let is_calm = Arc::clone(&calm);
    let mut world = World::new(move |_, number| match is_calm.load(Ordering::Relaxed) {
        true => Answer::Status(200),
        false => answers[number % answers.len()].clone(),
    });
    world.webhook(|_| {}).await;
    let right = Arc::clone(&world.ambient.clock);
    let clock = Arc::new(Off { right, by_seconds: AtomicI64::new(0) });
    world.ambient.clock = clock.clone();
    let worker = world.start_worker(options());
    let mut run = Run { world, clock, worker, asked: HashMap::new() };
    for step in steps {
        run = run.step(step).await;
    }
    calm.store(true, Ordering::Relaxed);
    // Longer than the longest wait of a circuit, a retry and a few leases together.
    pass(Duration::from_secs(15 * 60)).await;
    for delivery in run.world.deliveries().await {
        run.check(&delivery).await;
    }
    // Nothing more is sent.
    let sent = run.world.dispatcher.sent().len();
    pass(Duration::from_secs(60 * 60)).await;
    assert_eq!(run.world.dispatcher.sent().len(), sent);
    run.worker.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: soak(100).try_into().unwrap(), ..ProptestConfig::default() })]

    #[test]
    fn every_delivery_ends_by_its_retry_policy_whatever_happens(steps in steps(), answers in answers()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps, answers));
    }
}
