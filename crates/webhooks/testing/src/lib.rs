//! Helpers for the tests of services that publish webhooks with [`rdev_webhooks`].
//!
//! A test publishes within a transaction, checks what was published, delivers it to receivers that answer by
//! script, and rolls the transaction back. No delivery leaves the test, and no time passes but on its clock.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # mod example {
//! use std::time::Duration;
//!
//! use rdev_webhooks::{Event, Publisher};
//! use rdev_webhooks_testing::{Reply, TestWebhooks, assert_published};
//! use sqlx::SqliteConnection;
//!
//! // The code under test.
//! async fn create_order(
//!     conn: &mut SqliteConnection,
//!     webhooks: &Publisher,
//!     shop: &str,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let data = format!(r#"{{"number":7,"shop":"{shop}"}}"#);
//!     webhooks.publish_in(conn, Event::new("command.completed").project(shop).data(data)).await?;
//!     Ok(())
//! }
//!
//! # pub(super) async fn a_test(pool: sqlx::SqlitePool, publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
//! create_order(&mut tx, &publisher, "shop-1").await?;
//! let event = assert_published!(&mut tx, "command.completed", { "shop": "shop-1" });
//! assert_eq!(event.project.as_deref(), Some("shop-1"));
//!
//! let webhooks = TestWebhooks::new();
//! let receiver = webhooks.receiver("command.*", [Reply::status(503), Reply::status(204)]).await;
//! webhooks.deliver_all_in(&mut tx).await;
//! webhooks.clock().advance(Duration::from_secs(5)); // the wait before the second attempt
//! webhooks.deliver_all().await;
//! assert_eq!(receiver.requests().len(), 2);
//! tx.rollback().await?;
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     use rdev_webhooks::keyring::{EncryptionKey, Keyring};
//! #     let folder = tempfile::tempdir()?;
//! #     let pool = sqlx::SqlitePool::connect_lazy(&format!("sqlite://{}/rdev.db", folder.path().display()))?;
//! #     let keyring = Keyring::new(EncryptionKey::generate([7; 32]));
//! #     let webhooks = rdev_webhooks::RdevWebhooks::builder(&pool, keyring).open().await?;
//! #     example::a_test(pool, webhooks.publisher()).await
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! | what | |
//! |---|---|
//! | [`published_in`], [`assert_published!`] | the events that an open transaction has published, on Postgres and SQLite |
//! | [`TestWebhooks`] | delivers everything due to receivers by script: signing, retries and circuits as a worker |
//! | [`ManualClock`] | a clock that the test moves; also for [`Builder::ambient`](rdev_webhooks::Builder::ambient) |
//! | [`MemoryStore`] | the store in memory, which behaves like the databases |
//! | [`Receiver`] | a receiver with a socket, for a test with a real worker |
//!
//! Each of these fails a test by a panic.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and this crate is used by tests alone"
)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod assert;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod published;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod webhooks;

pub use rdev_webhooks_testkit::receiver::{Gate, ReceivedRequest, Reply, Script};
pub use rdev_webhooks_testkit::{ManualClock, MemoryStore, Receiver, SeededEntropy};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[doc(hidden)]
pub use assert::find;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use published::{PublishedEvent, published_in};
#[doc(hidden)]
pub use serde_json::json;
pub use webhooks::{TestReceiver, TestWebhooks};
