//! The steps, each executed on the store and on the model, and the comparison of the two.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Cancellation, Redelivery};
use rdev_webhooks_domain::{
    Access, Claim, ClaimShare, Delivery, DeliveryFilter, DeliveryId, DeliveryState, DisabledReason,
    EventType, FailureClass, FailureReason, LeasedDelivery, NewEvent, Settled, Settlement, Trigger,
    WebhookId, WebhookState,
};

use super::expected::{Answer, Cancelled, Model, Standing};
use crate::contract::scene::{DAY, MINUTE, Scene, assert_about};
use crate::contract::{Harness, TOLERANCE};
use crate::samples;

/// Number of webhooks at a time, and maximum number of deliveries per run.
const WEBHOOKS: usize = 3;
const DELIVERIES: usize = 120;

/// Number of remembered claims, including lost, settled and released ones.
const REMEMBERED: usize = 24;

pub(super) struct Run<'a> {
    scene: Scene<'a>,
    model: Model,
    event_type: EventType,
    claims: Vec<LeasedDelivery>,
    seed: u64,
    log: Vec<String>,
}

impl<'a> Run<'a> {
    pub(super) async fn begin(harness: &'a dyn Harness, seed: u64) -> Self {
        // Far from the seeds of every other source of ids.
        let scene = Scene::seeded(harness, seed << 32);
        let model = Model { now: scene.now().await, webhooks: BTreeMap::new(), deliveries: BTreeMap::new() };
        let mut run = Self {
            scene,
            model,
            // A project of this run alone, so that webhooks of other runs do not receive its events.
            event_type: format!("model.run_{seed}").parse().unwrap(),
            claims: Vec::new(),
            seed,
            log: Vec::new(),
        };
        for _ in 0..WEBHOOKS {
            run.add_webhook().await;
        }
        run
    }

    /// Executes one random step, at the store's current time.
    pub(super) async fn step(&mut self) {
        self.model.now = self.scene.now().await;
        let step = self.below(100);
        match step {
            0..15 => self.publish().await,
            15..45 => self.claim().await,
            45..53 => self.release().await,
            53..78 => self.settle().await,
            78..86 => self.advance().await,
            86..92 => self.redeliver().await,
            92..94 => self.cancel().await,
            94..97 => self.switch().await,
            97..99 => self.prune().await,
            _ => self.replace_webhook().await,
        }
    }

    fn below(&self, bound: usize) -> usize {
        self.scene.entropy.below(bound)
    }

    fn minutes(&self, bound: usize) -> Duration {
        MINUTE * u32::try_from(self.below(bound)).expect("it is small")
    }

    fn note(&mut self, step: String) {
        self.log.push(step);
    }

    fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn living(&self) -> Vec<WebhookId> {
        let webhooks = self.model.webhooks.iter();
        let living = webhooks.filter(|(_, standing)| **standing != Standing::Deleted);
        living.map(|(id, _)| *id).collect()
    }

    async fn add_webhook(&mut self) {
        let webhook = samples::with_settings(self.scene.new_webhook().await, |settings| {
            settings.events = [self.event_type.as_str().parse().unwrap()].into();
        });
        self.scene.create(&webhook).await;
        self.model.webhooks.insert(webhook.id, Standing::Enabled);
    }

    async fn publish(&mut self) {
        if self.model.deliveries.len() + 3 * WEBHOOKS > DELIVERIES {
            return;
        }
        let mut events = Vec::new();
        for _ in 0..=self.below(3) {
            events.push(NewEvent { event_type: self.event_type.clone(), ..self.scene.new_event().await });
        }
        self.note(format!("publish {}", events.len()));
        let published = self.scene.events.publish(&events).await.unwrap();
        let webhooks = self.model.webhooks.iter();
        let enabled = webhooks.filter(|(_, standing)| **standing == Standing::Enabled);
        let enabled: Vec<WebhookId> = enabled.map(|(id, _)| *id).collect();
        for answer in published {
            assert_eq!(answer.deliveries as usize, enabled.len());
            for webhook in &enabled {
                let id = DeliveryId::derive(answer.id, *webhook);
                self.model.published(id, *webhook);
            }
        }
    }

    async fn claim(&mut self) {
        let lasts = MINUTE + self.minutes(3);
        let mut shares = Vec::new();
        for webhook in self.living() {
            if self.below(3) > 0 {
                shares.push(ClaimShare {
                    webhook,
                    take: u32::try_from(self.below(5)).expect("it is small"),
                    lease_for: lasts,
                    is_limited: true,
                });
            }
        }
        let token = samples::token(&self.scene.entropy);
        self.note(format!("claim {shares:?}"));
        let claim = Claim { token, shares };
        let leased = self.scene.queue.claim(&claim).await.unwrap();
        for share in &claim.shares {
            let mine = leased.iter();
            let mine = mine.filter(|one| one.target.webhook_id == share.webhook);
            let taken: Vec<DeliveryId> = mine.map(|one| one.lease.delivery).collect();
            self.check_share(*share, &taken);
        }
        for one in leased {
            self.model.claimed(&one, token, lasts);
            if self.claims.len() == REMEMBERED {
                let forgotten = self.below(REMEMBERED);
                self.claims.swap_remove(forgotten);
            }
            self.claims.push(one);
        }
    }

    /// Checks that a share contains as many claimable deliveries as possible and skips none for one that is
    /// due later. The store may order expired leases freely.
    fn check_share(&self, share: ClaimShare, taken: &[DeliveryId]) {
        let claimable = self.model.claimable(share.webhook);
        let most = claimable.len().min(share.take as usize);
        let context = || format!("{} takes {taken:?}\n{}", share.webhook, self.context());
        assert_eq!(taken.len(), most, "{}", context());
        let (took, left): (Vec<_>, Vec<_>) = claimable.iter().partition(|(id, _)| taken.contains(id));
        assert_eq!(took.len(), taken.len(), "{}", context());
        let due = |some: &[&(DeliveryId, rdev_webhooks_domain::delivery::Progress)]| {
            let fresh = some.iter().filter(|(_, progress)| progress.lease.is_none());
            fresh.map(|(_, progress)| progress.due_at).collect::<Vec<_>>()
        };
        if let (Some(last), Some(first)) = (due(&took).iter().max(), due(&left).iter().min()) {
            assert!(last <= first, "{}", context());
        }
    }

    /// Returns some of the claims, at most one of each delivery, including lost and settled ones.
    fn some_claims(&self, at_most: usize) -> Vec<LeasedDelivery> {
        let mut some: BTreeMap<DeliveryId, LeasedDelivery> = BTreeMap::new();
        if !self.claims.is_empty() {
            for _ in 0..=self.below(at_most) {
                let one = &self.claims[self.below(self.claims.len())];
                some.insert(one.lease.delivery, one.clone());
            }
        }
        some.into_values().collect()
    }

    async fn release(&mut self) {
        let leases: Vec<_> = self.some_claims(2).iter().map(|one| one.lease).collect();
        self.note(format!("release {leases:?}"));
        self.scene.queue.release(&leases).await.unwrap();
        for lease in leases {
            self.model.released(lease);
        }
    }

    async fn settle(&mut self) {
        let mut batch = Vec::new();
        for one in self.some_claims(4) {
            let settled = match self.below(5) {
                0 => Settled::Succeeded,
                1 => Settled::Failed(self.pick(FailureReason::ALL)),
                _ if one.resumes => Settled::Resumed,
                _ => Settled::RetryAfter(self.minutes(4)),
            };
            let mut settlement: Settlement = self.scene.settlement(&one, settled).await;
            if settled == Settled::Failed(FailureReason::Abandoned) {
                settlement.attempt = None;
            }
            batch.push(settlement);
        }
        let brief: Vec<_> = batch.iter().map(|one| (one.lease, one.settled)).collect();
        self.note(format!("settle {brief:?}"));
        let recorded = self.scene.queue.settle(&batch).await.unwrap();
        let expected: Vec<bool> = batch.iter().map(|one| self.model.settled(one)).collect();
        assert_eq!(recorded, expected, "{}", self.context());
    }

    async fn advance(&mut self) {
        let by = MINUTE + self.minutes(2);
        self.note(format!("advance {by:?}"));
        self.scene.advance(by).await;
        self.model.now = self.scene.now().await;
    }

    async fn redeliver(&mut self) {
        let ids: Vec<DeliveryId> = self.model.deliveries.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.pick(&ids);
        let trigger = self.pick(&[Trigger::Manual, Trigger::Replay]);
        let expected = &self.model.deliveries[&id];
        let in_flight = matches!(expected.state(self.model.now), DeliveryState::InFlight { .. });
        if in_flight && self.model.webhooks[&expected.webhook] != Standing::Enabled {
            // A store may report either of the two.
            return;
        }
        self.note(format!("redeliver {id} {trigger:?}"));
        let answer = self.scene.queue.redeliver(Access::everything(), id, &trigger.into()).await.unwrap();
        let answer = match answer.expect("it was published") {
            Redelivery::Queued(_) => Answer::Queued,
            Redelivery::InFlight => Answer::InFlight,
            Redelivery::WebhookDisabled => Answer::WebhookDisabled,
            Redelivery::WebhookDeleted => Answer::WebhookDeleted,
        };
        let expected = self.model.redelivered(id, trigger);
        assert_eq!(answer, expected, "{}", self.context());
    }

    async fn cancel(&mut self) {
        let ids: Vec<DeliveryId> = self.model.deliveries.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = self.pick(&ids);
        self.note(format!("cancel {id}"));
        let answer =
            match self.scene.queue.cancel(Access::everything(), id).await.unwrap().expect("it was published")
            {
                Cancellation::Cancelled(_) => Cancelled::Now,
                Cancellation::InFlight => Cancelled::InFlight,
                Cancellation::Ended => Cancelled::Ended,
            };
        let expected = self.model.cancelled(id);
        assert_eq!(answer, expected, "{}", self.context());
    }

    /// Disables an enabled webhook, or enables a disabled one.
    async fn switch(&mut self) {
        let webhook = self.pick(&self.living());
        let since = self.scene.now().await;
        let reason = DisabledReason::Manual;
        let (standing, state) = if self.model.webhooks[&webhook] == Standing::Enabled {
            (Standing::Disabled, WebhookState::Disabled { reason, since })
        } else {
            (Standing::Enabled, WebhookState::Enabled)
        };
        self.note(format!("{webhook} is {standing:?}"));
        self.scene.change(webhook, |webhook| webhook.state = state).await;
        self.model.webhooks.insert(webhook, standing);
    }

    async fn prune(&mut self) {
        self.note("prune what is older than anything here".to_owned());
        self.scene.history.prune(2 * DAY).await.unwrap();
        self.model.pruned();
    }

    async fn replace_webhook(&mut self) {
        let webhook = self.pick(&self.living());
        let now = self.model.now;
        let mut waiting = self.model.waiting(webhook);
        let expired = |lease: rdev_webhooks_domain::delivery::Lease| lease.expires_at <= now;
        if waiting.any(|(_, progress)| progress.lease.is_some_and(expired)) {
            return;
        }
        drop(waiting);
        self.note(format!("delete {webhook}"));
        self.scene.delete(webhook).await;
        self.model.deleted(webhook);
        self.add_webhook().await;
    }

    /// Compares all deliveries and the result of a discovery.
    pub(super) async fn compare(&self) {
        let of_run =
            DeliveryFilter { event_type: Some(self.event_type.clone()), ..DeliveryFilter::default() };
        let stored = self.scene.deliveries(&of_run).await;
        let ids: Vec<DeliveryId> = stored.iter().rev().map(|one| one.id).collect();
        let expected: Vec<DeliveryId> = self.model.deliveries.keys().copied().collect();
        assert_eq!(ids, expected, "{}", self.context());
        for delivery in &stored {
            self.compare_delivery(delivery);
        }
        self.compare_discovery().await;
    }

    fn compare_delivery(&self, delivery: &Delivery) {
        let model = &self.model.deliveries[&delivery.id];
        let expected = model.state(self.model.now);
        let context = || format!("{} should be {expected:?}\n{}", delivery.id, self.context());
        let got = (delivery.state.status(), delivery.attempts, delivery.webhook_id);
        let wanted = (expected.status(), model.attempts(), model.webhook);
        assert_eq!(got, wanted, "{}", context());
        match (delivery.state, expected) {
            (DeliveryState::Failed { reason: got, .. }, DeliveryState::Failed { reason, .. }) => {
                assert_eq!(got, reason, "{}", context());
            }
            (DeliveryState::Cancelled { reason: got, .. }, DeliveryState::Cancelled { reason, .. }) => {
                assert_eq!(got, reason, "{}", context());
            }
            _ => {}
        }
        let moment = |state: DeliveryState| match state {
            DeliveryState::InFlight { lease_expires_at } => Some(lease_expires_at),
            state => state.next_attempt_at(),
        };
        if let (Some(got), Some(wanted)) = (moment(delivery.state), moment(expected)) {
            let apart = Duration::from_micros(got.as_micros().abs_diff(wanted.as_micros()));
            assert!(apart <= TOLERANCE, "by {apart:?}: {}", context());
        }
    }

    async fn compare_discovery(&self) {
        let discovery = self.scene.queue.discover(None, 1_000).await.unwrap();
        let due: Vec<WebhookId> = discovery.due.iter().map(|due| due.id).collect();
        let webhooks = self.model.webhooks.keys().copied();
        let (claimable, other): (Vec<_>, Vec<_>) =
            webhooks.partition(|id| !self.model.claimable(*id).is_empty());
        assert_eq!(due, claimable, "{}", self.context());
        let enabled = other.into_iter();
        let enabled = enabled.filter(|id| self.model.webhooks[id] == Standing::Enabled);
        let waits = enabled.flat_map(|id| self.model.waiting(id));
        let next = waits.map(|(_, progress)| progress.claimable_at()).min();
        match next {
            None => assert_eq!(discovery.next_due_in, None, "{}", self.context()),
            Some(at) => assert_about(discovery.next_due_in, at.since(self.model.now)),
        }
    }

    /// Compares the attempts of every delivery, and removes everything before the next run.
    pub(super) async fn end(mut self) {
        for (id, expected) in &self.model.deliveries {
            let attempts = self.scene.attempts(*id).await;
            let abandoned = |class| class == FailureClass::Abandoned;
            let got: BTreeMap<u32, bool> = attempts
                .iter()
                .map(|one| (one.number, one.outcome.failure.as_ref().map(|it| it.class)))
                .map(|(number, class)| (number, class.is_some_and(abandoned)))
                .collect();
            assert_eq!(got, expected.recorded, "{id}\n{}", self.context());
        }
        for webhook in self.living() {
            self.scene.delete(webhook).await;
            self.model.webhooks.insert(webhook, Standing::Deleted);
        }
    }

    fn context(&self) -> String {
        let last = self.log.len().saturating_sub(30);
        let steps = self.log[last..].join("\n  ");
        format!("seed {}, after {} steps; the last ones:\n  {steps}", self.seed, self.log.len())
    }
}
