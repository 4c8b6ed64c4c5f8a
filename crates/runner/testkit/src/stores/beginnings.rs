//! The beginnings of runs, and commands whose runners died before.

use rdev_runner_domain::{
    AbandonedCommands, Access, CommandId, CommandStatus, LeaseState, Outcome, Progress,
};

use super::StoreHarness;
use super::leases::attach;
use super::scene::{
    BEGINNING, LEASE, add, add_project, begin, claim, claim_begun, claim_with, complete, get, limits, pairs,
    published, record, report, status,
};

async fn requeue_expired(harness: &dyn StoreHarness, limit: u32) -> Vec<CommandId> {
    harness.queue().requeue_expired(limit).await.expect("answered")
}

/// Nothing was started, so that the next claim is as the first: on any host, and reported once.
pub async fn a_command_that_did_not_begin_is_requeued(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let [first, second, third] = [add(harness, 1).await, add(harness, 2).await, add(harness, 3).await];
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(claim(harness).await);
    }
    assert_eq!(requeue_expired(harness, 10).await, [], "under a valid lease");
    harness.advance(LEASE * 2).await;
    assert_eq!(attach(harness, "host-1").await, None, "there is no run");
    let lost = harness.queue().lose(LEASE / 2, None, 10).await.expect("answered");
    assert_eq!(lost, AbandonedCommands::default(), "there is no run");
    assert_eq!(requeue_expired(harness, 2).await, [first, second]);
    assert_eq!(requeue_expired(harness, 2).await, [third]);
    assert_eq!(requeue_expired(harness, 2).await, []);
    let queued = get(harness, first).await;
    assert_eq!((queued.state.status(), queued.state.times()), (CommandStatus::Queued, (None, None)));
    for leased in &old {
        assert_eq!(begin(harness, leased.lease, None).await, LeaseState::Lost, "its runner was given up");
    }
    let again = claim(harness).await;
    assert_eq!((again.lease.command, &again.request, &again.checkpoint), (first, &old[0].request, &None));
    complete(harness, &again).await;
    let expected = pairs(&[("command.completed", "completed"), ("command.started", "starting")]);
    assert_eq!(published(harness, first).await, expected);
}

/// What may have begun is taken over, or lost.
pub async fn a_command_that_has_begun_is_not_requeued(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let id = add(harness, 1).await;
    let leased = claim(harness).await;
    for _ in 0..2 {
        let held = LeaseState::Held { last_seq: 0, is_cancelled: false };
        assert_eq!(begin(harness, leased.lease, None).await, held);
    }
    harness.advance(LEASE * 2).await;
    assert_eq!(requeue_expired(harness, 10).await, []);
    let taken = attach(harness, "host-1").await.expect("taken over");
    assert_eq!((taken.lease.command, taken.checkpoint.as_deref()), (id, Some(BEGINNING)));
    complete(harness, &taken).await;
    assert_eq!(begin(harness, taken.lease, None).await, LeaseState::Lost, "it has ended");
}

/// A client's cancellation needs no runner then.
pub async fn a_command_that_did_not_begin_is_cancelled(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let [expired, returned] = [add(harness, 1).await, add(harness, 2).await];
    let (first, second) = (claim(harness).await, claim_begun(harness).await);
    for id in [expired, returned] {
        harness.commands().cancel(Access::everything(), id).await.expect("answered");
    }
    let held = LeaseState::Held { last_seq: 0, is_cancelled: true };
    assert_eq!(begin(harness, second.lease, None).await, held);
    harness.queue().requeue(&second.lease).await.expect("answered");
    harness.advance(LEASE * 2).await;
    assert_eq!(requeue_expired(harness, 10).await, [expired]);
    assert_eq!(begin(harness, first.lease, None).await, LeaseState::Lost);
    for id in [expired, returned] {
        let ended = get(harness, id).await;
        assert_eq!((ended.state.outcome(), ended.result), (Some(Outcome::Cancelled), None));
        let expected = pairs(&[("command.failed", "cancelled"), ("command.started", "starting")]);
        assert_eq!(published(harness, id).await, expected);
    }
}

/// A runner that finds that a run never began gives its command back. Its warnings stay.
pub async fn a_returned_command_is_claimed_again(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 1).await;
    let (id, other) = (add(harness, 1).await, add(harness, 2).await);
    let leased = claim_begun(harness).await;
    record(harness, leased.lease, report(0, &["A warning."], Progress::Running)).await;
    assert_eq!(claim_with(harness, limits()).await, None, "the project runs one at a time");
    for _ in 0..2 {
        harness.queue().requeue(&leased.lease).await.expect("answered");
        assert_eq!(status(harness, id).await, CommandStatus::Queued);
    }
    let again = claim(harness).await;
    assert_eq!((again.lease.command, again.last_seq, &again.checkpoint), (id, 1, &None));
    complete(harness, &again).await;
    harness.queue().requeue(&again.lease).await.expect("answered");
    assert_eq!(status(harness, id).await, CommandStatus::Completed, "it has ended");
    assert_eq!(claim(harness).await.lease.command, other);
}
