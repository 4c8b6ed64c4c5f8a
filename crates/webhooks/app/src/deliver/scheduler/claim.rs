//! The claim: the size of a page, the division of the free slots, and the handing out of deliveries.

use std::collections::HashMap;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Claim, ClaimShare, DueWebhook, LeaseRef, LeasedDelivery, WebhookId};
use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use super::super::flights::Flight;
use super::super::pool::Job;
use super::super::share::Allocation;
use super::Scheduler;
use crate::spans::record_duration;

/// Time that a lease lasts beyond the deadline of its attempt, for waiting and recording.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// Maximum number of webhooks per discovery, and the minimum where the page gets a slot for each of them.
const MAX_PAGE_SIZE: u32 = 256;
const MIN_PAGE_SIZE: u32 = 64;

impl Scheduler {
    /// Returns the number of webhooks of the next page. What a page finds beyond its slots, a later one finds again at the
    /// same cost. But the webhooks of a page compete for its slots if they are few, or if some endpoints may not respond.
    pub(super) fn page_size(&self) -> u32 {
        match u32::try_from(self.free_slots() / 2).unwrap_or(u32::MAX) {
            share if share >= MIN_PAGE_SIZE && self.shares.are_all_proven() => share.min(MAX_PAGE_SIZE),
            _ => MAX_PAGE_SIZE,
        }
    }

    /// Claims what each of these webhooks may take. Returns the number of claimed deliveries.
    pub(super) async fn take(
        &mut self,
        due: &[DueWebhook],
        share: usize,
        now: Instant,
    ) -> Result<usize, StoreError> {
        if !due.is_empty() {
            self.withdraw_advance();
        }
        let mut wanted = Vec::with_capacity(due.len());
        for due in due {
            if let Some(wait) = self.pauses.remaining(due.id, now) {
                self.round.due(now + wait);
                continue;
            }
            match self.shares.quota(due) {
                0 => self.round.short_of_slots = true,
                most => wanted.push((due, most)),
            }
        }
        self.shares.forget_idle();
        let (shares, rationed) = self.allocate(&wanted, share, now);
        let span = match shares.len() {
            0 => Span::none(),
            webhooks => tracing::debug_span!(
                "queue.claim",
                webhooks,
                deliveries = field::Empty,
                duration_ms = field::Empty
            ),
        };
        let yielded = self.claim(shares).instrument(span).await?;
        // One that yielded less than it got has no more.
        let wants_more =
            |(webhook, got): &(WebhookId, u32)| yielded.get(webhook).copied().unwrap_or(0) == *got;
        self.round.short_of_slots |= rationed.iter().any(wants_more);
        for webhook in due.iter().filter(|due| yielded.contains_key(&due.id)) {
            self.active.record_yield(webhook, now);
        }
        Ok(yielded.values().map(|count| *count as usize).sum())
    }

    /// Divides the free slots among the webhooks. The second value has what those got that may take more. Parks
    /// attempts for webhooks that hold no slot and got none.
    fn allocate(
        &mut self,
        wanted: &[(&DueWebhook, u32)],
        share: usize,
        now: Instant,
    ) -> (Vec<ClaimShare>, Vec<(WebhookId, u32)>) {
        let most: Vec<_> = wanted.iter().map(|(due, most)| (due.id, *most)).collect();
        let mut allocation = self.shares.allocate(&most, self.free_slots().min(share));
        if self.lacks_slots(&allocation) {
            let (count, unproven) = (allocation.waiting, allocation.only_unproven_wait);
            if self.flights.park_early(count, unproven, now, &mut self.shares) > 0 {
                allocation = self.shares.allocate(&most, self.free_slots().min(share));
            }
        }
        self.shares.record_turns(&allocation);
        let lacks_slots = self.lacks_slots(&allocation);
        self.round.waits_for_slot |= lacks_slots;
        // A page that has used its share serves its other webhooks in the next round.
        self.round.more |= allocation.waiting > 0 && !lacks_slots;
        self.round.lanes = allocation.lanes;
        let takes = allocation.takes.into_iter().zip(wanted);
        let rationed = takes.clone().filter(|(take, (_, most))| take < most);
        let rationed = rationed.map(|(take, (due, _))| (due.id, take)).collect();
        let takes = takes.filter(|(take, _)| *take > 0);
        (takes.map(|(take, (due, _))| self.share(due, take)).collect(), rationed)
    }

    pub(super) fn share(&self, due: &DueWebhook, take: u32) -> ClaimShare {
        let timeout = due.timeout.unwrap_or(self.options.delivery_timeout);
        ClaimShare { webhook: due.id, take, lease_for: timeout + LEASE_MARGIN, is_limited: due.is_limited }
    }

    /// True if some webhook gets nothing because no slot is left, rather than because the page's share is
    /// used.
    fn lacks_slots(&self, allocation: &Allocation) -> bool {
        let taken: u32 = allocation.takes.iter().sum();
        allocation.waiting > 0 && (allocation.only_unproven_wait || taken as usize >= self.free_slots())
    }

    /// Claims deliveries and hands them out. Returns the number per webhook. Sets `round.more` if some
    /// webhook yielded as many deliveries as the claim asked for, or as its limits allowed, since it may have
    /// more.
    async fn claim(&mut self, shares: Vec<ClaimShare>) -> Result<HashMap<WebhookId, u32>, StoreError> {
        if shares.is_empty() {
            return Ok(HashMap::new());
        }
        let claimed_at = Instant::now();
        let claim = Claim { token: self.ambient.lease_token(), shares };
        let claimed = self.queue.claim(&claim).await?;
        self.metrics.claimed(claimed.len());
        let span = Span::current();
        span.record("deliveries", claimed.len());
        record_duration(&span, claimed_at.elapsed());
        let shares: HashMap<_, _> = claim.shares.iter().map(|share| (share.webhook, share)).collect();
        let mut counts: HashMap<WebhookId, u32> = HashMap::with_capacity(claim.shares.len());
        let mut refused = Vec::new();
        for leased in claimed {
            let webhook = leased.target.webhook_id;
            *counts.entry(webhook).or_default() += 1;
            match self.hand_out(leased, claimed_at, shares.get(&webhook).copied()) {
                Ok(()) => self.shares.claimed(webhook),
                Err(lease) => refused.push(lease),
            }
        }
        if !refused.is_empty() {
            self.queue.release(&refused).await?;
        }
        // A discovery tells when a limited webhook may have more.
        let has_more = |share: &ClaimShare| {
            counts.get(&share.webhook).is_some_and(|count| *count == share.take || share.is_limited)
        };
        self.round.more |= claim.shares.iter().any(has_more);
        Ok(counts)
    }

    /// Hands a delivery to the least busy task.
    ///
    /// # Errors
    /// Fails with the delivery's lease if that task has ended.
    pub(super) fn hand_out(
        &mut self,
        leased: LeasedDelivery,
        claimed: Instant,
        share: Option<&ClaimShare>,
    ) -> Result<(), LeaseRef> {
        let (lease, webhook) = (leased.lease, leased.target.webhook_id);
        let (index, task) =
            self.tasks.iter_mut().enumerate().min_by_key(|(_, task)| task.in_flight).ok_or(lease)?;
        let flight = self.flights.next();
        let lease_ends = claimed + share.map_or(LEASE_MARGIN, |share| share.lease_for);
        let is_limited = share.is_some_and(|share| share.is_limited);
        let place = self.shares.place(webhook);
        let job = Job { leased, claimed, lease_ends, flight, place, is_limited };
        task.jobs.try_send(job).map_err(|_| lease)?;
        task.in_flight += 1;
        self.flights.begin(Flight { webhook, task: index, begun: Instant::now() });
        self.metrics.in_flight(self.flights.in_slots(), self.flights.parked());
        Ok(())
    }
}
