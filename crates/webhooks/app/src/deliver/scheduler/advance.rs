//! The claim on deliveries that this process publishes next.

use std::collections::HashMap;
use std::time::Duration;

use rdev_webhooks_domain::ports::{AdvanceClaim, AdvanceLeases};
use rdev_webhooks_domain::{Claim, ClaimShare, LeaseRef, WebhookId};
use tokio::time::Instant;

use super::super::standing::Standing;
use super::Scheduler;

/// Time limit for the publication that uses a claim when the scheduler ends.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A claim that is left with the queue. Its slots and places are reserved.
pub(super) struct Advance {
    claim: Box<dyn AdvanceClaim>,
    shares: HashMap<WebhookId, ClaimShare>,
    pub(super) slots: usize,
}

/// Waits for the deliveries of a claim; forever without one.
pub(super) async fn leased(advance: &mut Option<Advance>) -> AdvanceLeases {
    match advance {
        Some(advance) => advance.claim.leased().await,
        None => std::future::pending().await,
    }
}

impl Scheduler {
    /// Leaves a claim for new deliveries, while they alone can be claimable: nothing waits that would have to be sent
    /// before them.
    pub(super) fn claim_in_advance(&mut self, now: Instant) {
        if self.advance.is_some() {
            return;
        }
        let mut expected = self.active.expected(now);
        expected.retain(|due| {
            let is_sendable = self.pauses.remaining(due.id, now).is_none();
            is_sendable && self.shares.standing(due.id) == Standing::Proven
        });
        // One publication has deliveries for many webhooks, more often than many for one.
        let slots = self.free_slots() / 2 / expected.len().max(1);
        let mut shares = HashMap::with_capacity(expected.len());
        for due in expected {
            let take = self.shares.quota(&due).min(u32::try_from(slots).unwrap_or(u32::MAX));
            if take > 0 {
                shares.insert(due.id, self.share(&due, take));
            }
        }
        if shares.is_empty() {
            return;
        }
        let claim = Claim { token: self.ambient.lease_token(), shares: shares.values().copied().collect() };
        if let Some(claim) = self.queue.claim_in_advance(claim) {
            for share in shares.values() {
                self.shares.reserve(share.webhook, share.take);
            }
            let slots = shares.values().map(|share| share.take as usize).sum();
            self.advance = Some(Advance { claim, shares, slots });
        }
    }

    /// Withdraws the claim, unless a publication is using it.
    pub(super) fn withdraw_advance(&mut self) {
        if self.advance.as_mut().is_some_and(|advance| advance.claim.withdraw()) {
            self.end_advance();
        }
    }

    /// Hands out the deliveries of the claim.
    pub(super) async fn accept(&mut self, leases: AdvanceLeases) {
        let Some(advance) = self.end_advance() else { return };
        self.metrics.claimed(leases.deliveries.len());
        let mut refused: Vec<LeaseRef> = Vec::new();
        for leased in leases.deliveries {
            let webhook = leased.target.webhook_id;
            match self.hand_out(leased, leases.since.into(), advance.shares.get(&webhook)) {
                Ok(()) => self.shares.claimed(webhook),
                Err(lease) => refused.push(lease),
            }
        }
        if !refused.is_empty()
            && let Err(error) = self.queue.release(&refused).await
        {
            self.outages.store_failed("release claims", &error);
        }
    }

    /// Withdraws the claim at the end, and hands out what a publication leases by it.
    pub(super) async fn finish_advance(&mut self) {
        self.withdraw_advance();
        if self.advance.is_some()
            && let Ok(leases) = tokio::time::timeout(LAST_WAIT, leased(&mut self.advance)).await
        {
            self.accept(leases).await;
        }
    }

    /// Ends the reservation of the claim.
    fn end_advance(&mut self) -> Option<Advance> {
        self.shares.end_reservations();
        self.advance.take()
    }
}
