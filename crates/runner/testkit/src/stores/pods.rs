//! The pods of runs.

use rdev_runner_domain::{
    AbandonedCommands, Access, ClusterId, CommandStatus, LeaseState, Pod, Progress, RunName,
};

use super::StoreHarness;
use super::leases::{attach, attach_in};
use super::scene::{
    LEASE, add, add_project, begin, claim, claim_begun, complete, host, record, report, status,
};

fn pod(uid: &str) -> Pod {
    Pod {
        namespace: "agents".parse().expect("a name"),
        name: "my-project-0".to_owned(),
        uid: uid.to_owned(),
        container: "agent".parse().expect("a name"),
    }
}

/// Every field survives, a run has one pod, and no other run's is changed.
pub async fn the_pod_of_a_run_is_kept_exactly(harness: &dyn StoreHarness) {
    let pods = harness.pods();
    let [command, server]: [RunName; 2] =
        ["cmd_00000000000000000000000001", "server-1"].map(|name| name.parse().expect("a name"));
    assert_eq!(pods.find_pod(&command).await.expect("read"), None);
    assert!(pods.add_pod(&server, &pod("one")).await.expect("added"));
    assert!(pods.add_pod(&command, &pod("one")).await.expect("added"));
    assert!(!pods.add_pod(&command, &pod("two")).await.expect("answered"), "it has one");
    assert_eq!(pods.find_pod(&command).await.expect("read"), Some(pod("one")));
    assert_eq!(pods.pod_runs().await.expect("read"), [command.clone(), server.clone()]);
    for _ in 0..2 {
        pods.remove_pod(&command).await.expect("removed");
        assert_eq!(pods.pod_runs().await.expect("read"), std::slice::from_ref(&server));
    }
    assert!(pods.add_pod(&command, &pod("two")).await.expect("added"));
    assert_eq!(pods.find_pod(&command).await.expect("read"), Some(pod("two")));
}

fn cluster(id: &str) -> ClusterId {
    id.parse().expect("an id")
}

/// A pod is no part of a host, but of a cluster. The host that takes the run over has it.
pub async fn a_run_in_a_pod_is_taken_over_in_its_cluster(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let (id, local) = (add(harness, 1).await, add(harness, 2).await);
    let (first, second) = (claim(harness).await, claim_begun(harness).await);
    assert_eq!((first.lease.command, second.lease.command), (id, local));
    let (own, other) = (cluster("one"), cluster("two"));
    begin(harness, first.lease, Some(own.clone())).await;
    assert_eq!(attach_in(harness, "host-2", &own).await, None, "under a valid lease");
    harness.advance(LEASE * 2).await;
    assert_eq!(attach(harness, "host-2").await, None, "without a cluster");
    assert_eq!(attach_in(harness, "host-2", &other).await, None, "in another cluster");
    let taken = attach_in(harness, "host-2", &own).await.expect("taken over");
    assert_eq!((taken.lease.command, &taken.request), (id, &first.request));
    assert_eq!(attach_in(harness, "host-2", &own).await, None, "the other run is in no pod");
    // The runner that had it writes nothing, and a restart of that runner ends no lease of the new one.
    let stale = record(harness, first.lease, report(0, &["stale"], Progress::Running)).await;
    assert_eq!(stale, LeaseState::Lost);
    assert_eq!(harness.queue().expire_leases(&host("host-1")).await.expect("answered"), 0);
    assert_eq!(harness.queue().expire_leases(&host("host-2")).await.expect("answered"), 1);
    assert_eq!(attach(harness, "host-2").await, None, "without a cluster");
    let again = attach_in(harness, "host-1", &own).await.expect("taken over");
    assert_eq!(again.lease.command, id);
    assert_eq!(attach(harness, "host-1").await.expect("its own").lease.command, local);
    complete(harness, &again).await;
    assert_eq!(status(harness, id).await, CommandStatus::Completed);
}

/// A runner of another cluster cannot know what became of a run, unless a client gives it up.
pub async fn a_run_in_a_pod_is_lost_to_its_cluster_alone(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let (kept, cancelled) = (add(harness, 1).await, add(harness, 2).await);
    let (own, other) = (cluster("one"), cluster("two"));
    for _ in 0..2 {
        let leased = claim(harness).await;
        begin(harness, leased.lease, Some(own.clone())).await;
    }
    let lose =
        async |cluster: Option<&ClusterId>| harness.queue().lose(LEASE, cluster, 10).await.expect("answered");
    harness.advance(LEASE * 3).await;
    for cluster in [None, Some(&other)] {
        let left = AbandonedCommands { lost: Vec::new(), elsewhere: vec![kept, cancelled] };
        assert_eq!(lose(cluster).await, left);
    }
    harness.commands().cancel(Access::everything(), cancelled).await.expect("answered");
    let given_up = AbandonedCommands { lost: vec![cancelled], elsewhere: vec![kept] };
    assert_eq!(lose(None).await, given_up);
    assert_eq!(status(harness, kept).await, CommandStatus::Starting);
    let lost = AbandonedCommands { lost: vec![kept], elsewhere: Vec::new() };
    assert_eq!(lose(Some(&own)).await, lost);
}
