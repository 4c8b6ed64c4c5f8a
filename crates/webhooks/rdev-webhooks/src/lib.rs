//! The library of rdev webhooks for other services: publish events, deliver them and serve the API, in any
//! combination, in one process or in many.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use rdev_webhooks::{Database, Event, RdevWebhooks, WorkerOptions, keyring::Keyring};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring: Keyring = std::env::var("RDEV_ENCRYPTION_KEY")?.parse()?;
//! let database: Database = "sqlite:///var/lib/rdev/rdev.db".parse()?;
//! let webhooks = RdevWebhooks::builder(database, keyring).open().await?;
//! webhooks.start_worker(WorkerOptions::default());
//!
//! // On disk, with all its deliveries, when this answers.
//! let event = Event::new("command.completed").data(r#"{"command_id":"cmd-123","project":"my-project"}"#);
//! let published = webhooks.publisher().publish(event).await?;
//! println!("{} goes to {} webhooks", published.id, published.deliveries);
//!
//! webhooks.stop(Duration::from_secs(20)).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("the crate needs a database: enable its feature `postgres` or `sqlite`");

mod builder;
mod database;
mod event;
mod publish;
mod store;
mod system;

/// API keys and idempotent requests.
pub use rdev_access as access;
pub use rdev_app::Ambient;
/// Encryption of secrets at rest.
pub use rdev_keyring as keyring;
pub use rdev_webhooks_app::deliver::WorkerOptions;
pub use rdev_webhooks_app::{
    DraftViolation, EventTypeDefinition, EventTypeOrigin, EventTypeRegistry, EventViolation, MAX_EVENTS,
    NewEventType, NewReplay, PublishError as EventRefused, RegistryError, ReplayError, Replays,
    SchemaViolation, SecretRotated, Services, Statistics, StatisticsError, WebhookCreated, WebhookError,
    WebhookViolation, Webhooks,
};
pub use rdev_webhooks_dispatch_http::{ProxyUrl, ProxyUrlError};
/// Webhooks, events and deliveries, and the ports for storing and sending them.
pub use rdev_webhooks_domain as domain;
/// The REST API.
pub use rdev_webhooks_http_api as http_api;
/// Signing of deliveries, and verification by receivers.
pub use rdev_webhooks_signing as signing;

pub use builder::Builder;
pub use database::{Database, DatabaseError};
pub use event::{Event, InvalidMember};
pub use publish::{ConnectionRef, PublishConnection, PublishError, Publisher};
#[cfg(feature = "sqlite")]
pub use store::is_unsealed;
pub use store::{MigrateError, OpenError, migrate, rekey};
pub use system::RdevWebhooks;
