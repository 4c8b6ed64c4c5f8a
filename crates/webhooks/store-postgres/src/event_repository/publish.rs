//! Publishing, with what follows after the commit: the wake-ups, and the claims in advance.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    Claim, DeliveryId, DeliveryTarget, LeaseRef, LeasedDelivery, NewEvent, PublishOutcome, Timestamp, Trigger,
};
use rdev_webhooks_store::{UnusedClaim, damage};
use tokio::time::Instant;

use crate::error::{describe, may_have_committed};
use crate::events::publish::{Inserted, NewLease, Plan, insert};
use crate::queue::{give_back, release};
use crate::store::Inner;
use crate::webhooks::endpoints;
use crate::webhooks::rows::version;

/// Stores events with all their deliveries, and wakes the waiting workers.
pub(super) async fn publish(
    store: &Inner,
    events: &[NewEvent],
    max_deliveries: u32,
) -> Result<PublishOutcome, StoreError> {
    if events.is_empty() {
        return Ok(PublishOutcome::Stored(Vec::new()));
    }
    let plan = Plan::of(events, max_deliveries);
    let sent = AtomicBool::new(false);
    let (unused, since) = (store.advance_claims.take(), Instant::now());
    let advance = unused.as_ref().map(|unused| &unused.claim);
    let mut inserted = insert(store, events, &plan, advance, &sent).await;
    if let Err(error) = &inserted
        && sent.load(Ordering::Relaxed)
        && may_have_committed(error)
    {
        // The connection broke before the response arrived. Events that were stored are found by their ids
        // and stay unchanged; the others are stored now.
        if let again @ Ok(Inserted::Answers(..)) = insert(store, events, &plan, None, &sent).await {
            inserted = again;
        }
        if let Some(advance) = advance {
            give_up(store, advance, events).await;
        }
    }
    let (answers, wake_up, leases) = match inserted? {
        Inserted::Answers(answers, wake_up, leases) => (answers, wake_up, leases),
        Inserted::TooLarge(counts) => {
            unused.into_iter().for_each(|unused| store.advance_claims.put_back(unused));
            return Ok(PublishOutcome::TooLarge(plan.spread_counts(&counts)));
        }
    };
    let fresh = answers.iter().filter(|answer| !answer.duplicate);
    let deliveries: u64 = fresh.map(|answer| u64::from(answer.deliveries)).sum();
    let waiting = deliveries.saturating_sub(leases.len() as u64);
    if waiting > 0 {
        store.wakeups.wake(waiting, wake_up);
    }
    match unused {
        Some(unused) if leases.is_empty() => store.advance_claims.put_back(unused),
        Some(unused) => hand_over(store, unused, since, (events, &plan), leases).await,
        None => {}
    }
    Ok(PublishOutcome::Stored(plan.spread(&answers)))
}

/// Passes the leased deliveries to the worker that left the claim, and releases those that cannot be sent.
async fn hand_over(
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
        tracing::warn!(error = %describe(&error), "cannot read the webhooks of new deliveries; they are released");
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
async fn give_up(store: &Inner, claim: &Claim, events: &[NewEvent]) {
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
