//! Receives `command.completed` and adds up how long the commands ran. A delivery may come any number of times: the
//! inbox of the receiver's own database, Postgres or SQLite, lets the receiver act on it once.
//!
//! ```text
//! WEBHOOK_SECRET=whsec_… DATABASE_URL=sqlite://receiver.db cargo run -p rdev-webhooks-example-receiver-once
//! ```
//!
//! `WEBHOOK_SECRET` is the secret that the API answered when the webhook was created; during a rotation, the old and
//! the new one with a comma between them. `DATABASE_URL` begins with `postgres://` or `sqlite://`; `PORT` is the port
//! to listen on (8000 by default). The webhook's URL is then `http://127.0.0.1:8000/webhook`.

#![allow(clippy::print_stdout, reason = "it shows what it does")]

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use rdev_webhooks_receiver::{Inbox, PRUNE_BATCH, Receiver, Signed};
use serde::Deserialize;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{PgPool, SqlitePool};

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS runs (commands bigint NOT NULL, duration_ms bigint NOT NULL)";
const BEGIN: &str = "INSERT INTO runs SELECT 0, 0 WHERE NOT EXISTS (SELECT * FROM runs)";
/// The work of an event, which would be wrong if it were done twice.
const ADD: &str =
    "UPDATE runs SET commands = commands + 1, duration_ms = duration_ms + $1 RETURNING commands, duration_ms";

/// The name of the sender in the inbox.
const SENDER: &str = "rdev";
/// The sender can redeliver for 30 days.
const KEPT: Duration = Duration::from_secs(40 * 24 * 60 * 60);

#[derive(Clone)]
struct App {
    receiver: Receiver,
    database: Database,
}

impl FromRef<App> for Receiver {
    fn from_ref(app: &App) -> Self {
        app.receiver.clone()
    }
}

#[derive(Clone)]
enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The data of the event, as far as it is of interest here.
#[derive(Deserialize)]
struct Completed {
    duration_ms: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secrets = std::env::var("WEBHOOK_SECRET")?;
    let keys = secrets.split(',').map(str::parse).collect::<Result<Vec<_>, _>>()?;
    let database = Database::open(&std::env::var("DATABASE_URL")?).await?;
    tokio::spawn(prune(database.clone()));

    let app = Router::new()
        .route("/webhook", post(receive))
        .with_state(App { receiver: Receiver::new(keys), database });
    let port = std::env::var("PORT").map_or(Ok(8000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/webhook", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// A request that the sender has not signed never gets here.
async fn receive(State(app): State<App>, webhook: Signed<Completed>) -> (StatusCode, String) {
    match app.database.handle(&webhook).await {
        Ok(Some((commands, total))) => println!("acted on {}: {commands} commands, {total} ms", webhook.id),
        Ok(None) => println!("acted on {} before", webhook.id),
        // The sender delivers it again.
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
    (StatusCode::NO_CONTENT, String::new())
}

impl Database {
    async fn open(url: &str) -> Result<Self, sqlx::Error> {
        if url.starts_with("postgres") {
            let pool = PgPool::connect(url).await?;
            Inbox::create_table(&mut pool.acquire().await?).await?;
            sqlx::raw_sql(CREATE).execute(&pool).await?;
            sqlx::raw_sql(BEGIN).execute(&pool).await?;
            return Ok(Self::Postgres(pool));
        }
        let options: SqliteConnectOptions = url.parse()?;
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
        Inbox::create_table(&mut pool.acquire().await?).await?;
        sqlx::raw_sql(CREATE).execute(&pool).await?;
        sqlx::raw_sql(BEGIN).execute(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    /// Does the event's work, unless it was done before: both the inbox and the work are committed, or neither is.
    /// Returns the sums.
    async fn handle(&self, webhook: &Signed<Completed>) -> Result<Option<(i64, i64)>, sqlx::Error> {
        let mut sums = None;
        match self {
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                if Inbox::first_time(&mut tx, SENDER, &webhook.id).await? {
                    sums =
                        Some(sqlx::query_as(ADD).bind(webhook.data.duration_ms).fetch_one(&mut *tx).await?);
                }
                tx.commit().await?;
            }
            Self::Sqlite(pool) => {
                // SQLite has one writer at a time: a transaction that begins as one waits for its turn.
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                if Inbox::first_time(&mut tx, SENDER, &webhook.id).await? {
                    sums =
                        Some(sqlx::query_as(ADD).bind(webhook.data.duration_ms).fetch_one(&mut *tx).await?);
                }
                tx.commit().await?;
            }
        }
        Ok(sums)
    }

    async fn prune(&self) -> Result<u64, sqlx::Error> {
        match self {
            Self::Postgres(pool) => Inbox::prune(&mut pool.acquire().await?, KEPT).await,
            Self::Sqlite(pool) => Inbox::prune(&mut pool.acquire().await?, KEPT).await,
        }
    }
}

/// Deletes old ids every hour.
async fn prune(database: Database) {
    let mut hours = tokio::time::interval(Duration::from_secs(60 * 60));
    loop {
        hours.tick().await;
        // A failure does no harm: the next hour deletes more.
        while database.prune().await.is_ok_and(|deleted| deleted == u64::from(PRUNE_BATCH)) {}
    }
}
