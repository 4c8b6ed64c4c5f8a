//! Signals.

use std::time::Duration;

use rdev_runner_domain::ports::{Signal, SignalStream};
use rdev_runner_domain::{Access, Progress};

use super::StoreHarness;
use super::scene::{add, add_project, claim, complete, get, record, report};

/// The bound of the wait for a signal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for this signal, past others.
async fn until(signals: &mut dyn SignalStream, expected: Signal) {
    let waiting = async { while signals.next().await != expected {} };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the change is signalled");
}

/// A reader hears of every change once it can read it.
pub async fn each_change_is_signalled(harness: &dyn StoreHarness) {
    let mut signals = harness.signals().subscribe();
    add_project(harness, "my-project", 9).await;
    let id = add(harness, 1).await;
    until(&mut *signals, Signal::Queue).await;
    let leased = claim(harness).await;
    until(&mut *signals, Signal::Changed(id)).await;
    record(harness, leased.lease, report(0, &["One."], Progress::Running)).await;
    until(&mut *signals, Signal::Changed(id)).await;
    assert_eq!(get(harness, id).await.last_seq, 1);
    harness.commands().cancel(Access::everything(), id).await.expect("cancelled");
    until(&mut *signals, Signal::Cancelled(id)).await;
    complete(harness, &rdev_runner_domain::LeasedCommand { last_seq: 1, ..leased }).await;
    until(&mut *signals, Signal::Changed(id)).await;
    until(&mut *signals, Signal::Queue).await;
    assert!(get(harness, id).await.state.outcome().is_some());
    let queued = add(harness, 2).await;
    until(&mut *signals, Signal::Queue).await;
    harness.commands().cancel(Access::everything(), queued).await.expect("cancelled");
    until(&mut *signals, Signal::Cancelled(queued)).await;
}
