//! Receives webhooks with axum, and handles each event once.
//!
//! ```text
//! WEBHOOK_SECRET=whsec_… cargo run -p rdev-webhooks-example-axum
//! ```
//!
//! `WEBHOOK_SECRET` is the secret that the API answered when the webhook was created, or the public key (`whpk_…`) of
//! one that signs with ed25519; `PORT` is the port to listen on (8000 by default); `DATABASE` is the file of the
//! receiver's own database (`receiver.db` by default). The webhook's URL is then `http://127.0.0.1:8000/webhook`.

#![allow(clippy::print_stdout, reason = "it shows what it receives")]

use std::error::Error;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use rdev_webhooks_receiver::{Inbox, Receiver, Signed};
use serde_json::Value;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

#[derive(Clone)]
struct App {
    receiver: Receiver,
    pool: SqlitePool,
}

impl FromRef<App> for Receiver {
    fn from_ref(app: &App) -> Self {
        app.receiver.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let receiver = Receiver::new([std::env::var("WEBHOOK_SECRET")?.parse()?]);
    let file = std::env::var("DATABASE").unwrap_or_else(|_| "receiver.db".to_owned());
    let pool =
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(file).create_if_missing(true)).await?;
    let mut conn = pool.acquire().await?;
    Inbox::create_table(&mut conn).await?;
    let create = "CREATE TABLE IF NOT EXISTS handled (event TEXT NOT NULL, data TEXT NOT NULL)";
    sqlx::query(create).execute(&mut *conn).await?;
    drop(conn);

    let app = Router::new().route("/webhook", post(receive)).with_state(App { receiver, pool });
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhook", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// A request that is not signed by the sender never gets here.
async fn receive(State(app): State<App>, webhook: Signed<Value>) -> (StatusCode, String) {
    match handle(&app.pool, &webhook).await {
        Ok(()) => (StatusCode::NO_CONTENT, String::new()),
        // The sender delivers it again.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Does the event's work in the transaction that records its id.
async fn handle(pool: &SqlitePool, webhook: &Signed<Value>) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let is_new = Inbox::first_time(&mut tx, "rdev", &webhook.id).await?;
    if is_new {
        let insert = sqlx::query("INSERT INTO handled (event, data) VALUES (?1, ?2)");
        insert.bind(&webhook.event).bind(webhook.data.to_string()).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    if is_new {
        println!("received {} {}", webhook.event, webhook.data);
    }
    Ok(())
}
