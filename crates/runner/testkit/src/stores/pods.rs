//! The pods of runs.

use rdev_runner_domain::{CommandStatus, LeaseState, Pod, Progress, RunName};

use super::StoreHarness;
use super::leases::{attach, attach_reaching_pods};
use super::scene::{LEASE, add, add_project, claim, complete, host, record, report, status};

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

/// A pod is no part of a host. The host that takes the run over has it.
pub async fn a_run_in_a_pod_is_taken_over_on_any_host(harness: &dyn StoreHarness) {
    add_project(harness, "my-project", 9).await;
    let (id, local) = (add(harness, 1).await, add(harness, 2).await);
    let first = claim(harness).await;
    assert_eq!((first.lease.command, claim(harness).await.lease.command), (id, local));
    harness.pods().add_pod(&id.into(), &pod("one")).await.expect("added");
    assert_eq!(attach_reaching_pods(harness, "host-2").await, None, "under a valid lease");
    harness.advance(LEASE * 2).await;
    assert_eq!(attach(harness, "host-2").await, None, "without a way to the pod");
    let taken = attach_reaching_pods(harness, "host-2").await.expect("taken over");
    assert_eq!((taken.lease.command, &taken.request), (id, &first.request));
    assert_eq!(attach_reaching_pods(harness, "host-2").await, None, "the other run is in no pod");
    // The runner that had it writes nothing, and a restart of that runner ends no lease of the new one.
    let stale = record(harness, first.lease, report(0, &["stale"], Progress::Running)).await;
    assert_eq!(stale, LeaseState::Lost);
    assert_eq!(harness.queue().expire_leases(&host("host-1")).await.expect("answered"), 0);
    assert_eq!(harness.queue().expire_leases(&host("host-2")).await.expect("answered"), 1);
    assert_eq!(attach(harness, "host-2").await, None, "without a way to the pod");
    let again = attach_reaching_pods(harness, "host-1").await.expect("taken over");
    assert_eq!(again.lease.command, id);
    assert_eq!(attach(harness, "host-1").await.expect("its own").lease.command, local);
    complete(harness, &again).await;
    assert_eq!(status(harness, id).await, CommandStatus::Completed);
}
