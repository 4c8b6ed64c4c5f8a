//! Signals between processes.

use std::sync::Arc;
use std::time::Duration;

use rdev_runner_domain::Access;
use rdev_runner_domain::ports::{CommandRepository, CommandSignals, ProjectRepository, Signal, SignalStream};
use rdev_runner_store_postgres::PostgresCommands;
use rdev_runner_testkit::{draft, project, request};
use rdev_webhooks::Publisher;

use crate::harness::{PostgresHarness, keyring};

const PATIENCE: Duration = Duration::from_secs(60);

async fn until(signals: &mut dyn SignalStream, expected: Signal) {
    let waiting = async { while signals.next().await != expected {} };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn changes_are_signalled_to_other_processes_also_after_a_lost_connection() {
    let harness = PostgresHarness::new().await;
    let publisher = Publisher::open(&harness.pool).await.unwrap();
    let other = Arc::new(PostgresCommands::new(harness.pool.clone(), publisher, keyring(1)));
    let (here, there) = (Arc::clone(&harness.store), Arc::clone(&other));
    let mut signals = other.subscribe();
    let exchanging = tokio::spawn(async move {
        tokio::join!(here.exchange_signals(), there.exchange_signals());
    });
    assert!(ProjectRepository::create(&*harness.store, &project("my-project")).await.unwrap());
    // The other store listens from its first signal on.
    until(&mut *signals, Signal::Missed).await;
    let id = CommandRepository::create(&*harness.store, &request(draft(1, "x"))).await.unwrap().unwrap().id;
    until(&mut *signals, Signal::Queue).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query(others).execute(&harness.pool).await.unwrap();
    until(&mut *signals, Signal::Missed).await;
    harness.store.cancel(Access::everything(), id).await.unwrap().unwrap();
    until(&mut *signals, Signal::Cancelled(id)).await;
    exchanging.abort();
}
