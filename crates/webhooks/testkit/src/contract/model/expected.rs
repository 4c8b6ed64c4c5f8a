//! The model: the expected content of a store.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_webhooks_domain::delivery::{LeaseLost, Progress};
use rdev_webhooks_domain::{
    CancelReason, DeliveryId, DeliveryState, LeaseRef, LeaseToken, LeasedDelivery, Settlement, Timestamp,
    Trigger, WebhookId,
};

/// A webhook, as far as its deliveries depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Enabled,
    Disabled,
    Deleted,
}

#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) webhook: WebhookId,
    pub(super) phase: Phase,
    /// The numbers of the recorded attempts, and whether each was abandoned.
    pub(super) recorded: BTreeMap<u32, bool>,
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    Unfinished(Progress),
    Finished { state: DeliveryState, attempts: u32, automatic_attempts: u32 },
}

/// The expected result of a redelivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Queued,
    InFlight,
    WebhookDisabled,
    WebhookDeleted,
}

/// The expected result of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancelled {
    Now,
    InFlight,
    Ended,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) now: Timestamp,
    pub(super) webhooks: BTreeMap<WebhookId, Standing>,
    pub(super) deliveries: BTreeMap<DeliveryId, Expected>,
}

impl Expected {
    pub(super) fn unfinished(&self) -> Option<&Progress> {
        match &self.phase {
            Phase::Unfinished(progress) => Some(progress),
            Phase::Finished { .. } => None,
        }
    }

    pub(super) fn state(&self, now: Timestamp) -> DeliveryState {
        match &self.phase {
            Phase::Unfinished(progress) => progress.state(now),
            Phase::Finished { state, .. } => *state,
        }
    }

    pub(super) fn attempts(&self) -> u32 {
        match &self.phase {
            Phase::Unfinished(progress) => progress.attempts,
            Phase::Finished { attempts, .. } => *attempts,
        }
    }

    fn finish(&mut self, state: DeliveryState) {
        if let Phase::Unfinished(progress) = &self.phase {
            self.phase = Phase::Finished {
                state,
                attempts: progress.attempts,
                automatic_attempts: progress.automatic_attempts,
            };
        }
    }
}

impl Model {
    pub(super) fn published(&mut self, id: DeliveryId, webhook: WebhookId) {
        let expected = Expected {
            webhook,
            phase: Phase::Unfinished(Progress::new(self.now)),
            recorded: BTreeMap::new(),
        };
        self.deliveries.insert(id, expected);
    }

    /// Returns the unfinished deliveries of a webhook.
    pub(super) fn waiting(&self, webhook: WebhookId) -> impl Iterator<Item = (DeliveryId, &Progress)> {
        let of_webhook = self.deliveries.iter();
        let of_webhook = of_webhook.filter(move |(_, expected)| expected.webhook == webhook);
        of_webhook.filter_map(|(id, expected)| Some((*id, expected.unfinished()?)))
    }

    /// Returns the deliveries that can be claimed now.
    pub(super) fn claimable(&self, webhook: WebhookId) -> Vec<(DeliveryId, Progress)> {
        if self.webhooks[&webhook] != Standing::Enabled {
            return Vec::new();
        }
        let due = self.waiting(webhook);
        let due = due.filter(|(_, progress)| progress.claimable_at() <= self.now);
        due.map(|(id, progress)| (id, *progress)).collect()
    }

    /// Claims the delivery that the store returned, and compares its content.
    pub(super) fn claimed(&mut self, leased: &LeasedDelivery, token: LeaseToken, lasts: Duration) {
        let now = self.now;
        let expected = self.deliveries.get_mut(&leased.lease.delivery);
        let expected = expected.expect("a store returns only published deliveries");
        let Phase::Unfinished(progress) = &mut expected.phase else {
            panic!("{} was claimed although it is finished", leased.lease.delivery);
        };
        if let Some(abandoned) = progress.claim(token, now, lasts) {
            expected.recorded.insert(abandoned.number, true);
        }
        let got = (
            leased.lease.token,
            leased.attempt,
            leased.automatic_attempts,
            leased.abandoned_count,
            leased.trigger,
            leased.resumes,
        );
        let wanted = (
            token,
            progress.attempts,
            progress.automatic_attempts,
            progress.abandoned_count,
            progress.trigger,
            progress.deferred_until.is_some(),
        );
        assert_eq!(got, wanted, "{} differs from the model when claimed", leased.lease.delivery);
    }

    pub(super) fn released(&mut self, lease: LeaseRef) {
        let now = self.now;
        let Some(expected) = self.deliveries.get_mut(&lease.delivery) else {
            return;
        };
        let Phase::Unfinished(progress) = &mut expected.phase else {
            return;
        };
        let released = progress.release(lease.token).is_ok();
        if released && self.webhooks[&expected.webhook] == Standing::Deleted {
            expected.finish(cancelled(now));
        }
    }

    /// Settles a delivery. Returns true if the store should record that.
    pub(super) fn settled(&mut self, settlement: &Settlement) -> bool {
        let now = self.now;
        let Some(expected) = self.deliveries.get_mut(&settlement.lease.delivery) else {
            return false;
        };
        let deleted = self.webhooks[&expected.webhook] == Standing::Deleted;
        let Phase::Unfinished(progress) = &mut expected.phase else {
            return false;
        };
        let token = settlement.lease.token;
        match progress.settle(token, settlement.settled, now, deleted) {
            Err(LeaseLost) => return false,
            Ok(None) => {}
            Ok(Some(state)) => expected.finish(state),
        }
        if let Some(attempt) = &settlement.attempt {
            expected.recorded.insert(attempt.number, false);
        }
        true
    }

    pub(super) fn redelivered(&mut self, id: DeliveryId, trigger: Trigger) -> Answer {
        let now = self.now;
        let expected = self.deliveries.get_mut(&id).expect("it was published");
        match self.webhooks[&expected.webhook] {
            Standing::Deleted => return Answer::WebhookDeleted,
            Standing::Disabled => return Answer::WebhookDisabled,
            Standing::Enabled => {}
        }
        match &mut expected.phase {
            Phase::Unfinished(progress) => {
                if progress.redeliver(trigger, now).is_err() {
                    return Answer::InFlight;
                }
            }
            Phase::Finished { attempts, automatic_attempts, .. } => {
                let reopened = Progress::reopened(*attempts, *automatic_attempts, trigger, now);
                expected.phase = Phase::Unfinished(reopened);
            }
        }
        Answer::Queued
    }

    pub(super) fn cancelled(&mut self, id: DeliveryId) -> Cancelled {
        let now = self.now;
        let expected = self.deliveries.get_mut(&id).expect("it was published");
        let Phase::Unfinished(progress) = &expected.phase else {
            return Cancelled::Ended;
        };
        let Ok((state, abandoned)) = progress.cancel(now) else {
            return Cancelled::InFlight;
        };
        expected.recorded.extend(abandoned.map(|lost| (lost.number, true)));
        expected.finish(state);
        Cancelled::Now
    }

    /// Deletes a webhook without expired leases: deliveries with expired leases may be cancelled now or
    /// later.
    pub(super) fn deleted(&mut self, webhook: WebhookId) {
        self.webhooks.insert(webhook, Standing::Deleted);
        self.cancel(webhook, |progress, _| progress.lease.is_none());
    }

    /// Cancels the deliveries of deleted webhooks whose workers died.
    pub(super) fn pruned(&mut self) {
        let webhooks = self.webhooks.iter();
        let deleted = webhooks.filter(|(_, standing)| **standing == Standing::Deleted);
        let deleted: Vec<WebhookId> = deleted.map(|(id, _)| *id).collect();
        for webhook in deleted {
            self.cancel(webhook, |progress, now| progress.claimable_at() <= now);
        }
    }

    fn cancel(&mut self, webhook: WebhookId, which: impl Fn(&Progress, Timestamp) -> bool) {
        let now = self.now;
        for expected in self.deliveries.values_mut() {
            let cancels = expected.webhook == webhook
                && expected.unfinished().is_some_and(|progress| which(progress, now));
            if cancels {
                expected.finish(cancelled(now));
            }
        }
    }
}

fn cancelled(at: Timestamp) -> DeliveryState {
    let reason = CancelReason::WebhookDeleted;
    DeliveryState::Cancelled { at, reason }
}
