//! A shop that only publishes: an order and its event are committed together. Another process delivers the event:
//! `worker_only`, or `rdev-webhooks-worker`. This one has no encryption key, no task of rdev's, and neither an HTTP
//! client nor a server.
//!
//! ```text
//! DATABASE_URL=postgres://… cargo run -p rdev-webhooks-example-publish-only -- tea
//! ```
//!
//! `DATABASE_URL` may also be `sqlite://PATH`. The database is migrated, and `order.created` registered, by the process
//! that delivers. Without an item to order, the transaction is rolled back, and the event with it.

#![allow(clippy::print_stdout, reason = "it shows what it stored")]

use std::error::Error;

use rdev_webhooks::{Event, PublishConnection, Publisher};
use serde::Serialize;
use sqlx::{PgPool, SqlitePool};

#[derive(Serialize)]
struct Order {
    number: i64,
    item: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let item = std::env::args().nth(1).unwrap_or_default();
    if url.starts_with("sqlite:") { on_sqlite(&url, item).await } else { on_postgres(&url, item).await }
}

async fn on_postgres(url: &str, item: String) -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(url).await?;
    let webhooks = Publisher::open(&pool).await?;
    let create = "CREATE TABLE IF NOT EXISTS orders (number bigserial PRIMARY KEY, item text NOT NULL)";
    sqlx::query(create).execute(&pool).await?;

    let mut tx = pool.begin().await?;
    let insert = sqlx::query_scalar("INSERT INTO orders (item) VALUES ($1) RETURNING number");
    let number = insert.bind(&item).fetch_one(&mut *tx).await?;
    let is_empty = item.is_empty();
    publish(&webhooks, &mut tx, Order { number, item }).await?;
    Ok(if is_empty { tx.rollback().await } else { tx.commit().await }?)
}

async fn on_sqlite(url: &str, item: String) -> Result<(), Box<dyn Error>> {
    let pool = SqlitePool::connect(url).await?;
    let webhooks = Publisher::open(&pool).await?;
    let create = "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, item TEXT NOT NULL)";
    sqlx::query(create).execute(&pool).await?;

    // SQLite has one writer at a time; this one waits for its turn here.
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let insert = sqlx::query_scalar("INSERT INTO orders (item) VALUES ($1) RETURNING number");
    let number = insert.bind(&item).fetch_one(&mut *tx).await?;
    let is_empty = item.is_empty();
    publish(&webhooks, &mut tx, Order { number, item }).await?;
    Ok(if is_empty { tx.rollback().await } else { tx.commit().await }?)
}

/// Publishes the event of an order in the transaction that stores the order.
async fn publish(
    webhooks: &Publisher,
    tx: &mut impl PublishConnection,
    order: Order,
) -> Result<(), Box<dyn Error>> {
    let event = Event::new("order.created").json(&order)?;
    let published = webhooks.publish_in(tx, event).await?;
    println!("order {}: {} with {} deliveries", order.number, published.id, published.deliveries);
    Ok(())
}
