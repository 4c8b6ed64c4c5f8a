//! Receiving webhooks in a Rust service: requests are verified before a handler sees them, and an inbox makes
//! handling effectively once.
//!
//! The sender is any that signs by [Standard Webhooks], such as rdev.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "postgres"))]
//! # mod example {
//! use axum::extract::State;
//! use axum::http::StatusCode;
//! use axum::routing::post;
//! use axum::Router;
//! use axum::extract::FromRef;
//! use rdev_webhooks_receiver::{Inbox, Receiver, Signed};
//! use sqlx::PgPool;
//!
//! #[derive(serde::Deserialize)]
//! struct Completed {
//!     command_id: String,
//! }
//!
//! #[derive(Clone, FromRef)]
//! struct App {
//!     receiver: Receiver,
//!     pool: PgPool,
//! }
//!
//! async fn completed(
//!     State(pool): State<PgPool>,
//!     webhook: Signed<Completed>,
//! ) -> Result<StatusCode, StatusCode> {
//!     let failed = |_: sqlx::Error| StatusCode::INTERNAL_SERVER_ERROR;
//!     let mut tx = pool.begin().await.map_err(failed)?;
//!     if Inbox::first_time(&mut tx, "rdev", &webhook.id).await.map_err(failed)? {
//!         // The work of the event, in the same transaction.
//!         let done = sqlx::query("INSERT INTO done VALUES ($1)").bind(&webhook.data.command_id);
//!         done.execute(&mut *tx).await.map_err(failed)?;
//!     }
//!     tx.commit().await.map_err(failed)?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//!
//! fn app(pool: PgPool, secret: &str) -> Result<Router, Box<dyn std::error::Error>> {
//!     let receiver = Receiver::new([secret.parse()?]);
//!     Ok(Router::new().route("/webhook", post(completed)).with_state(App { receiver, pool }))
//! }
//! # }
//! ```
//!
//! | feature | what |
//! |---|---|
//! | `axum` (default) | the extractor [`Signed`], and [`verify`] as a layer in front of any handler |
//! | `postgres`, `sqlite` | the [`Inbox`] on a connection of sqlx |
//!
//! [Standard Webhooks]: https://www.standardwebhooks.com

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod inbox;
#[cfg(feature = "axum")]
mod layer;
mod receiver;
#[cfg(feature = "axum")]
mod request;
#[cfg(feature = "axum")]
mod signed;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use inbox::{ConnectionRef, Inbox, InboxConnection, PRUNE_BATCH};
#[cfg(feature = "axum")]
pub use layer::{VerifiedId, verify};
pub use rdev_webhooks_signing::{VerificationKey, VerificationKeyError, Verifier, VerifyError};
pub use receiver::{MAX_BODY_BYTES, Receiver};
#[cfg(feature = "axum")]
pub use request::Refusal;
#[cfg(feature = "axum")]
pub use signed::Signed;
