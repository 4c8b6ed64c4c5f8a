//! A shop with webhooks inside: an order and its event are committed together, and the same process delivers
//! the event and serves the API of the webhooks under `/webhooks`.
//!
//! ```text
//! DATABASE_URL=postgres://… RDEV_ENCRYPTION_KEY=$(openssl rand -base64 32) RDEV_API_KEY=$(openssl rand -hex 24) \
//!     cargo run -p rdev-webhooks-example-embed-axum
//! ```
//!
//! `PORT` is the port to listen on (8000 by default). Before the first order, register its event type: `PUT
//! /webhooks/event-types/order.created`. Then `POST /orders` with `{"shop":"shop-1","item":"tea"}`.

#![allow(clippy::print_stdout, reason = "it shows where it listens")]

use std::error::Error;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rdev_webhooks::domain::DestinationPolicy;
use rdev_webhooks::http_api::ApiOptions;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{Event, Publisher, RdevWebhooks, WorkerOptions};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

#[derive(Clone)]
struct App {
    pool: PgPool,
    webhooks: Publisher,
}

#[derive(Deserialize)]
struct NewOrder {
    shop: String,
    item: String,
}

#[derive(Serialize)]
struct Order {
    number: i64,
    shop: String,
    item: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    let create = "CREATE TABLE IF NOT EXISTS orders (number bigserial PRIMARY KEY, shop text NOT NULL, item text NOT NULL)";
    sqlx::query(create).execute(&pool).await?;

    rdev_webhooks::migrate(&pool).await?;
    let keyring: Keyring = std::env::var("RDEV_ENCRYPTION_KEY")?.parse()?;
    let webhooks = RdevWebhooks::builder(&pool, keyring)
        // Receivers on this machine, to try it out.
        .destinations(DestinationPolicy::new(vec!["127.0.0.0/8".parse()?]))
        .open()
        .await?;
    webhooks.start_worker(WorkerOptions::default());

    let key = std::env::var("RDEV_API_KEY")?.into();
    let app = Router::new()
        .route("/orders", post(create_order))
        .nest("/webhooks", webhooks.router(ApiOptions::new(key)))
        .with_state(App { pool, webhooks: webhooks.publisher() });
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(webhooks.drain_on(interrupt())).await?;
    webhooks.stop(Duration::from_secs(20)).await?;
    Ok(())
}

async fn create_order(
    State(app): State<App>,
    Json(new): Json<NewOrder>,
) -> Result<Json<Order>, (StatusCode, String)> {
    let order = store(&app, new).await;
    order.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Stores an order and its event: both are committed, or neither is.
async fn store(app: &App, new: NewOrder) -> Result<Order, Box<dyn Error + Send + Sync>> {
    let mut tx = app.pool.begin().await?;
    let insert = sqlx::query_scalar("INSERT INTO orders (shop, item) VALUES ($1, $2) RETURNING number");
    let number = insert.bind(&new.shop).bind(&new.item).fetch_one(&mut *tx).await?;
    let order = Order { number, shop: new.shop, item: new.item };
    app.webhooks.publish_in(&mut tx, Event::new("order.created").project(&order.shop).json(&order)?).await?;
    tx.commit().await?;
    Ok(order)
}

/// Resolves when the process is asked to stop.
async fn interrupt() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
