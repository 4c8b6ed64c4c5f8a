//! Measures how fast callers publish in their own transactions, with each on disk after its commit, while no worker
//! delivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rdev_webhooks::{Event, Publisher};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Bench;
use super::cpu::Before;
use super::publish::PublishRate;
use crate::ledger::Ledger;
use crate::publisher::{Published, data};
use crate::system::TO_ONE;
use crate::{Outcome, say};

/// Measures publishing; leaves the published events undelivered.
pub(super) async fn measure(bench: &mut Bench<'_>) -> Outcome<PublishRate> {
    let (duration, connections) = (bench.options.duration() / 2, bench.options.connections);
    say("publishing in callers' transactions, without a worker");
    let pool = PgPoolOptions::new().min_connections(u32::try_from(connections)?);
    let pool = pool
        .max_connections(u32::try_from(connections)?)
        .connect(&bench.database.server.url("postgres"))
        .await?;
    let publisher = Publisher::open(&pool).await?;
    publish(&pool, &publisher, &bench.ledger, connections, duration / 4).await?;
    let before = Before::take(bench).await?;
    let published = publish(&pool, &publisher, &bench.ledger, connections, duration).await?;
    let used = before.used(bench).await?;
    pool.close().await;
    Ok(PublishRate { published, used })
}

/// Publishes in one transaction after the other on each connection.
async fn publish(
    pool: &PgPool,
    publisher: &Publisher,
    ledger: &Arc<Ledger>,
    connections: usize,
    duration: Duration,
) -> Outcome<Published> {
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (pool, publisher) = (pool.clone(), publisher.clone());
        let (ledger, stop) = (Arc::clone(ledger), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut events = 0;
            while !stop.load(Relaxed) {
                let sent_us = ledger.now_us();
                let place = ledger.take(1).ok_or("the ledger is full: a shorter phase")?;
                let mut tx = pool.begin().await?;
                publisher.publish_in(&mut tx, Event::new(TO_ONE).data(data(place, sent_us))).await?;
                tx.commit().await?;
                events += 1;
            }
            Outcome::Ok(events)
        });
    }
    tokio::time::sleep(duration).await;
    stop.store(true, Relaxed);
    let mut events = 0;
    while let Some(ended) = tasks.join_next().await {
        events += ended??;
    }
    Ok(Published { events, took: began.elapsed() })
}
