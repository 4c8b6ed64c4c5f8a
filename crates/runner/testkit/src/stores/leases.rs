//! Leases.

use std::time::Duration;

use rdev_runner_domain::{
    Access, AttachRequest, ClusterId, CommandId, CommandStatus, LeaseRef, LeaseState, LeasedCommand, Outcome,
    Progress, RunReport,
};

use super::StoreHarness;
use super::scene::{
    LEASE, add, add_project, at, begin, claim_begun, complete, get, host, message, pairs, published, record,
    report, result, status, token,
};

async fn attach_except(
    harness: &dyn StoreHarness,
    name: &str,
    except: Vec<CommandId>,
) -> Option<LeasedCommand> {
    let attach = AttachRequest { host: host(name), token: token(), lease_for: LEASE, except, cluster: None };
    harness.queue().attach(&attach).await.expect("answered")
}

pub(super) async fn attach_in(
    harness: &dyn StoreHarness,
    name: &str,
    cluster: &ClusterId,
) -> Option<LeasedCommand> {
    let (host, token, except, cluster) = (host(name), token(), Vec::new(), Some(cluster.clone()));
    let attach = AttachRequest { host, token, lease_for: LEASE, except, cluster };
    harness.queue().attach(&attach).await.expect("answered")
}

pub(super) async fn attach(harness: &dyn StoreHarness, name: &str) -> Option<LeasedCommand> {
    attach_except(harness, name, Vec::new()).await
}

/// Another host has not the processes of the run.
pub async fn an_expired_lease_is_taken_over_on_its_host_alone(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let id = add(harness, 1).await;
    let leased = claim_begun(harness).await;
    assert_eq!(attach(harness, "host-1").await, None, "under a valid lease");
    harness.advance(LEASE * 2).await;
    assert_eq!(attach(harness, "host-2").await, None);
    assert_eq!(attach_except(harness, "host-1", vec![id]).await, None, "its own");
    let again = attach(harness, "host-1").await.expect("taken over");
    assert_eq!((again.lease.command, again.request), (id, leased.request));
    complete(harness, &LeasedCommand { request: get_request(harness, id).await, ..again }).await;
    harness.advance(LEASE * 2).await;
    assert_eq!(attach(harness, "host-1").await, None, "after its end");
}

async fn get_request(harness: &dyn StoreHarness, id: CommandId) -> rdev_runner_domain::AgentRequest {
    harness.commands().request(Access::everything(), id).await.expect("read").expect("exists")
}

/// Of many runners one goes on, where the last report ended.
pub async fn an_expired_lease_is_taken_over_once(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    add(harness, 1).await;
    let leased = claim_begun(harness).await;
    let events = vec![(at(), message("One."))];
    let checkpoint = Some("{\"offset\":17}".to_owned());
    let reported =
        RunReport { after_seq: 0, events, checkpoint: checkpoint.clone(), progress: Progress::Running };
    record(harness, leased.lease, reported).await;
    record(harness, leased.lease, report(1, &["Two."], Progress::Unchanged)).await;
    harness.advance(LEASE * 2).await;
    let runners: Vec<_> = (0..8)
        .map(|_| {
            let queue = harness.queue();
            tokio::spawn(async move {
                let attach = AttachRequest {
                    host: host("host-1"),
                    token: token(),
                    lease_for: LEASE,
                    except: Vec::new(),
                    cluster: None,
                };
                queue.attach(&attach).await.expect("answered")
            })
        })
        .collect();
    let mut taken = Vec::new();
    for runner in runners {
        taken.extend(runner.await.expect("no panic"));
    }
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].last_seq, &taken[0].checkpoint), (2, &checkpoint));
    assert_eq!(taken[0].state.status(), CommandStatus::Running);
}

/// A runner that reports in time keeps its command.
pub async fn a_heartbeat_keeps_the_lease(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    add(harness, 1).await;
    let leased = claim_begun(harness).await;
    let beat = async || harness.queue().heartbeat(&leased.lease, LEASE).await.expect("answered");
    let held = LeaseState::Held { last_seq: 0, is_cancelled: false };
    for _ in 0..3 {
        harness.advance(LEASE * 2 / 3).await;
        assert_eq!(beat().await, held);
    }
    assert_eq!(attach(harness, "host-1").await, None);
    harness.advance(LEASE * 2).await;
    assert_eq!(beat().await, held, "no other runner has taken it over");
    assert_eq!(attach(harness, "host-1").await, None);
}

/// What the old runner says after a takeover, or under an invented token, changes nothing.
pub async fn a_stale_lease_writes_nothing(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let id = add(harness, 1).await;
    let old = claim_begun(harness).await;
    harness.advance(LEASE * 2).await;
    let new = attach(harness, "host-1").await.expect("taken over");
    let before = get(harness, id).await;
    let invented = LeaseRef { command: id, token: token() };
    for lease in [old.lease, invented] {
        assert_eq!(harness.queue().heartbeat(&lease, LEASE).await.expect("answered"), LeaseState::Lost);
        assert_eq!(begin(harness, lease, None).await, LeaseState::Lost);
        harness.queue().requeue(&lease).await.expect("answered");
        let ended = Progress::Ended(Box::new(result(Outcome::Completed)));
        for progress in [Progress::Running, ended] {
            let stale = record(harness, lease, report(0, &["stale"], progress)).await;
            assert_eq!(stale, LeaseState::Lost);
        }
    }
    assert_eq!(get(harness, id).await, before);
    let page = harness.commands().events(Access::everything(), id, 0, 10).await.expect("read");
    assert_eq!(page.expect("exists").events, []);
    assert_eq!(published(harness, id).await, pairs(&[("command.started", "starting")]));
    complete(harness, &new).await;
    let beat = harness.queue().heartbeat(&new.lease, LEASE).await.expect("answered");
    assert_eq!(beat, LeaseState::Lost, "after the end");
}

/// A command that no runner takes over is lost, and late reports are refused.
pub async fn a_command_without_a_runner_is_lost(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let (id, other) = (add(harness, 1).await, add(harness, 2).await);
    let leased = claim_begun(harness).await;
    let lose = async || {
        let abandoned = harness.queue().lose(Duration::from_secs(600), None, 10).await.expect("answered");
        assert_eq!(abandoned.elsewhere, []);
        abandoned.lost
    };
    harness.advance(Duration::from_secs(300)).await;
    assert_eq!(lose().await, []);
    harness.advance(Duration::from_secs(600)).await;
    assert_eq!(lose().await, [id]);
    assert_eq!(lose().await, []);
    assert_eq!(status(harness, id).await, CommandStatus::Lost);
    assert_eq!(status(harness, other).await, CommandStatus::Queued);
    let ended = Progress::Ended(Box::new(result(Outcome::Completed)));
    assert_eq!(record(harness, leased.lease, report(0, &["late"], ended)).await, LeaseState::Lost);
    assert_eq!(get(harness, id).await.result, None);
}

/// A runner that starts on a host takes over what the one before has left behind, at once.
pub async fn the_leases_of_a_host_are_ended(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    add(harness, 1).await;
    let leased = claim_begun(harness).await;
    let expire = async |name: &str| harness.queue().expire_leases(&host(name)).await.expect("answered");
    assert_eq!(expire("host-2").await, 0);
    assert_eq!(attach(harness, "host-1").await, None);
    assert_eq!(expire("host-1").await, 1);
    assert_eq!(expire("host-1").await, 0, "it has ended");
    let again = attach(harness, "host-1").await.expect("taken over");
    assert_eq!(again.lease.command, leased.lease.command);
    complete(harness, &again).await;
    assert_eq!(expire("host-1").await, 0, "the command has ended");
}
