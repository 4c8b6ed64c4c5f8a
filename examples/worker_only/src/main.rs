//! A process that only delivers what others publish, such as `publish_only`. It serves nothing.
//!
//! ```text
//! DATABASE_URL=postgres://… RDEV_ENCRYPTION_KEY=$(openssl rand -base64 32) \
//!     cargo run -p rdev-webhooks-example-worker-only -- http://127.0.0.1:9000/
//! ```
//!
//! `DATABASE_URL` may also be `sqlite://PATH`. It migrates the database, registers `order.created`, and creates a
//! webhook for the URL, if one is given.

#![allow(clippy::print_stdout, reason = "it shows that it is ready")]

use std::error::Error;
use std::time::Duration;

use rdev_webhooks::access::Ids;
use rdev_webhooks::domain::{DestinationPolicy, WebhookSettings};
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{NewEventType, RdevWebhooks, WorkerOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL")?;
    rdev_webhooks::migrate(&url).await?;
    let keyring: Keyring = std::env::var("RDEV_ENCRYPTION_KEY")?.parse()?;
    let webhooks = RdevWebhooks::builder(&url, keyring)
        // Receivers on this machine, to try it out.
        .destinations(DestinationPolicy::new(vec!["127.0.0.0/8".parse()?]))
        .open()
        .await?;
    webhooks.event_types().put("order.created".parse()?, NewEventType::default()).await?;
    if let Some(receiver) = std::env::args().nth(1) {
        let settings = WebhookSettings::new(receiver.parse()?, ["order.*".parse()?]);
        webhooks.webhooks().create(settings, None, true, Ids::fresh()).await?;
    }
    webhooks.start_worker(WorkerOptions::default().with_workers(2));
    println!("delivering");
    interrupt().await;
    webhooks.stop(Duration::from_secs(20)).await?;
    Ok(())
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
