//! The deliveries that a publication leases by a claim in advance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::{
    Claim, DeliveryId, DeliveryTarget, LeaseRef, LeasedDelivery, NewEvent, Timestamp, Trigger, WebhookId,
};
use rdev_webhooks_store::{UnusedClaim, damage};
use tokio::time::Instant;

use super::Plan;
use crate::queue::{give_back, release};
use crate::store::Inner;
use crate::webhooks::endpoints;
use crate::webhooks::rows::version;

/// A new delivery that a publication has leased.
pub(super) struct NewLease {
    /// The index of the event in [`Plan::firsts`].
    pub(super) event: usize,
    pub(super) webhook: WebhookId,
    pub(super) version: i64,
    pub(super) claimed_at: Timestamp,
}

/// Passes the leased deliveries to the worker that left the claim, and releases those that cannot be sent.
pub(super) async fn hand_over(
    store: &Inner,
    claim: UnusedClaim,
    since: Instant,
    (events, plan): (&[NewEvent], &Plan),
    leases: Vec<NewLease>,
) {
    let versions = leases.iter().filter_map(|lease| {
        damage::leave_out(version(lease.webhook, lease.version)).map(|version| (lease.webhook, version))
    });
    let targets = endpoints::load(store, &versions.collect()).await.unwrap_or_else(|error| {
        damage::log(&error);
        HashMap::new()
    });
    let token = claim.claim.token;
    let (mut deliveries, mut unusable) = (Vec::with_capacity(leases.len()), Vec::new());
    for lease in leases {
        let Some(event) = plan.firsts.get(lease.event).and_then(|position| events.get(*position)) else {
            continue;
        };
        let reference = LeaseRef { delivery: DeliveryId::derive(event.id, lease.webhook), token };
        match targets.get(&lease.webhook) {
            Some(target) => {
                deliveries.push(to_leased(reference, event, lease.claimed_at, Arc::clone(target)));
            }
            None => unusable.push(reference),
        }
    }
    claim.hand_over(since.into_std(), deliveries);
    give_back(release(store, &unusable)).await;
}

/// Releases what a publication may have leased whose response was lost.
pub(super) async fn give_up(store: &Inner, claim: &Claim, events: &[NewEvent]) {
    let mut leases = Vec::with_capacity(events.len() * claim.shares.len());
    for event in events {
        for share in &claim.shares {
            let delivery = DeliveryId::derive(event.id, share.webhook);
            leases.push(LeaseRef { delivery, token: claim.token });
        }
    }
    give_back(release(store, &leases)).await;
}

fn to_leased(
    lease: LeaseRef,
    event: &NewEvent,
    claimed_at: Timestamp,
    target: Arc<DeliveryTarget>,
) -> LeasedDelivery {
    LeasedDelivery {
        lease,
        event_id: event.id,
        event_type: event.event_type.clone(),
        project: event.project.clone(),
        body: event.body.clone(),
        traceparent: event.traceparent,
        attempt: 1,
        automatic_attempts: 1,
        abandoned_count: 0,
        trigger: Trigger::Automatic,
        resumes: false,
        overdue: Duration::ZERO,
        claimed_at,
        target,
    }
}
