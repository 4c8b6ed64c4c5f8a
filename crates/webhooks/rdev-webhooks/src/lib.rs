//! Webhooks inside another service: publish events in its own transactions, deliver them, and serve the REST API, in
//! any combination, in one process or in many.
//!
//! An order and its event are committed together or not at all, so the service needs no outbox of its own:
//!
//! ```no_run
//! # #[cfg(all(feature = "postgres", feature = "worker", feature = "api"))]
//! # mod shop {
//! use std::time::Duration;
//!
//! use rdev_webhooks::keyring::Keyring;
//! use rdev_webhooks::{ApiOptions, Event, Publisher, RdevWebhooks, WorkerOptions};
//! use sqlx::PgPool;
//! # #[derive(serde::Serialize)]
//! # struct Order { number: i64, shop: String }
//! # async fn insert(tx: &mut sqlx::PgConnection, shop: String) -> Result<Order, sqlx::Error> { unimplemented!() }
//! # type Router = rdev_webhooks::http_api::Router<App>;
//!
//! #[derive(Clone)]
//! struct App {
//!     pool: PgPool,
//!     webhooks: Publisher,
//! }
//!
//! # async fn serve(_: rdev_webhooks::http_api::Router, _: impl Future<Output = ()>) {}
//! async fn run(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = PgPool::connect(url).await?;
//!     rdev_webhooks::migrate(&pool).await?;
//!     let keyring: Keyring = std::env::var("RDEV_ENCRYPTION_KEY")?.parse()?;
//!     let webhooks = RdevWebhooks::builder(pool.clone(), keyring).open().await?;
//!     webhooks.start_worker(WorkerOptions::default());
//!
//!     let api_key = std::env::var("RDEV_API_KEY")?.into();
//!     let app = Router::new()
//!         // .route("/orders", post(create_order))
//!         .nest("/webhooks", webhooks.router(ApiOptions::new(api_key)))
//!         .with_state(App { pool, webhooks: webhooks.publisher() });
//!     let stopped = webhooks.drain_on(async { drop(tokio::signal::ctrl_c().await) });
//!     serve(app, stopped).await; // axum::serve(listener, app).with_graceful_shutdown(stopped)
//!     webhooks.stop(Duration::from_secs(20)).await?;
//!     Ok(())
//! }
//!
//! async fn create_order(app: App, shop: String) -> Result<Order, Box<dyn std::error::Error>> {
//!     let mut tx = app.pool.begin().await?;
//!     let order = insert(&mut tx, shop).await?;
//!     let event = Event::new("order.created").project(&order.shop).json(&order)?;
//!     app.webhooks.publish_in(&mut tx, event).await?;
//!     tx.commit().await?;
//!     Ok(order)
//! }
//! # }
//! ```
//!
//! The type `order.created` is registered beforehand: by `PUT /event-types/order.created`, or by
//! `RdevWebhooks::event_types`. The example `embed_axum` of the repository is this program as a whole.
//!
//! # Features
//!
//! They add to each other, and none is on by default; one of the stores is needed.
//!
//! | feature | adds |
//! |---|---|
//! | `postgres` | the store on Postgres: any number of processes |
//! | `sqlite` | the store on SQLite: one system, one file |
//! | `worker` | `RdevWebhooks::start_worker`: delivery, retries, retention |
//! | `api` | `RdevWebhooks::router`: the REST API as a router of axum |
//! | `console` | `RdevWebhooks::console`: pages for browsers as a router of axum; includes `api` |
//!
//! With a store alone, the crate compiles without axum and hyper. How connections to Postgres are encrypted is the
//! host's choice, by a feature of `sqlx` such as `tls-rustls-ring-native-roots`; without one, a URL with
//! `sslmode=require` fails to connect.
//!
//! SQLite has one lock fewer if it is built with the environment variable `LIBSQLITE3_FLAGS` that the repository's
//! `.cargo/config.toml` sets: as libsqlite3-sys compiles it, all connections share one page cache.
//!
//! # Publish only
//!
//! A service that only publishes needs a pool and nothing else: no encryption key, no task, no pool of rdev's. Other
//! processes deliver, such as `rdev-webhooks-worker`.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn publish(url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use rdev_webhooks::{Event, Publisher};
//!
//! let pool = sqlx::PgPool::connect(url).await?;
//! let webhooks = Publisher::open(&pool).await?;
//! let mut tx = pool.begin().await?;
//! webhooks.publish_in(&mut tx, Event::new("order.created").data(r#"{"number":7}"#)).await?;
//! tx.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Worker only
//!
//! ```no_run
//! # #[cfg(all(feature = "postgres", feature = "worker"))]
//! # async fn deliver(url: &str, keyring: rdev_webhooks::keyring::Keyring) -> Result<(), Box<dyn std::error::Error>> {
//! use rdev_webhooks::{RdevWebhooks, WorkerOptions};
//!
//! let webhooks = RdevWebhooks::builder(url, keyring).open().await?;
//! webhooks.start_worker(WorkerOptions::default().with_workers(4));
//! tokio::signal::ctrl_c().await?;
//! webhooks.stop(std::time::Duration::from_secs(20)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Router only
//!
//! Without `start_worker` the same system serves the API and delivers nothing. The router can be nested under any
//! path; its links, its `openapi.json` and its `/docs` follow. Under a path that begins with a parameter, such as
//! `/{shop}/webhooks`, axum takes it by `nest_service`.
//!
//! # Authorization of the host's own
//!
//! In place of API keys, a function of the host decides who may do what. Idempotency keys, the limits of a key, and
//! the restriction to projects work as with keys.
//!
//! ```
//! # #[cfg(feature = "api")]
//! # fn options() -> rdev_webhooks::ApiOptions {
//! use rdev_webhooks::domain::{Access, scopes};
//! use rdev_webhooks::{ApiOptions, Authorized, Refusal};
//!
//! /// What the host's own middleware has put into the request.
//! #[derive(Clone)]
//! struct Session {
//!     user: String,
//!     shop: String,
//! }
//!
//! ApiOptions::authorized_by(async |request| {
//!     let session: Option<&Session> = request.extensions.get();
//!     let session = session.ok_or_else(|| Refusal::unauthenticated("Sign in first."))?;
//!     let shop = session.shop.parse().map_err(|_| Refusal::forbidden("The shop does not exist."))?;
//!     let access = Access::new([scopes::WEBHOOKS_WRITE]).with_projects([shop]);
//!     Ok(Authorized::new(&session.user, access))
//! })
//! # }
//! ```
//!
//! # Migrations
//!
//! [`migrate`] applies what a database lacks; processes may do so at once, also through a pooler. Only an SQLite file is
//! migrated unasked, when a system opens it. With a tool of its own, a host applies [`migrations`] instead: each is SQL
//! that also records itself. [`schema_state`] compares a database with this version, and changes nothing.
//!
//! # Errors
//!
//! | error | of | retry |
//! |---|---|---|
//! | [`PublishError::Invalid`], [`PublishError::Refused`] | the event: an invalid member, an unregistered type, data that its schema refuses | no; nothing was written, and the transaction goes on |
//! | [`PublishError::Database`] | the caller's transaction, which can only be rolled back | after SQLSTATE 40001 and 40P01, the whole transaction |
//! | [`PublishError::Store`] | the caller's transaction on SQLite, which is as before | after `StoreError::Unavailable` |
//! | [`OpenError`] | the database or the keys; the message says what to do | while [`OpenError::is_away`] |
//! | [`MigrateError`] | the database | as its cause allows |
//!
//! Messages never contain a secret, a password or the data of an event.

#[cfg(not(any(feature = "postgres", feature = "sqlite")))]
compile_error!("the crate needs a database: enable its feature `postgres` or `sqlite`");

#[cfg(any(feature = "api", feature = "worker"))]
mod builder;
mod connection;
mod database;
mod error;
mod event;
#[cfg(feature = "worker")]
pub mod forwarding;
mod on_pool;
mod publish;
mod rekey;
mod schema;
#[cfg(any(feature = "api", feature = "worker"))]
mod store;
#[cfg(any(feature = "api", feature = "worker"))]
mod system;

/// API keys.
pub mod access {
    pub use rdev_access::{
        ApiKey, ApiKeyCreated, ApiKeyError, ApiKeySecret, ApiKeyViolation, ApiKeys, Idempotency, Ids,
        NewApiKey,
    };
}

/// Webhooks, events and deliveries.
pub mod domain {
    pub use rdev_webhooks_domain::{
        Access, ApiKeyId, Attempt, AttemptFailure, AttemptId, AttemptOutcome, BodyFormat, BodyFormatError,
        CancelReason, CapturedResponse, Cidr, CidrError, CustomHeaders, CustomHeadersError, Delivery,
        DeliveryId, DeliveryRecord, DeliveryState, DeliveryStatus, DestinationPolicy, DisabledReason,
        EndpointUrl, EndpointUrlError, EventId, EventPattern, EventType, EventTypeError, FailureClass,
        FailureReason, Health, IdError, Matched, Metadata, MetadataError, Page, PageRequest, Phases,
        ProjectName, ProjectNameError, RateLimit, Replay, ReplayId, ReplaySelection, ReplayState,
        RetryPolicy, RetryPolicyError, Scope, ScopeError, Timestamp, TimestampError, Trigger, Webhook,
        WebhookFilter, WebhookId, WebhookSettings, WebhookState, scopes,
    };

    /// The interfaces through which the system reaches what is outside.
    pub mod ports {
        pub use rdev_webhooks_domain::ports::{Clock, DeliveryHistory, Entropy, StoreError};
    }
}

/// The REST API.
#[cfg(feature = "api")]
pub mod http_api {
    pub use rdev_webhooks_http_api::{
        ApiOptions, Authorized, MetricsSource, Refusal, Router, ServeOptions, openapi_json, serve,
        waiting_router,
    };
}

/// The console: pages for browsers.
#[cfg(feature = "console")]
pub mod console {
    pub use rdev_webhooks_console::{Authorized, ConsoleOptions, Hosts, Pages, Refusal, Router, SignInLink};
}

/// Encryption of secrets at rest.
pub mod keyring {
    pub use rdev_keyring::{
        EncryptionKey, EncryptionKeyError, KeyId, Keyring, KeyringError, RotationReport, RotationTally,
    };
}

/// Signing of deliveries, and verification by receivers.
pub mod signing {
    pub use rdev_webhooks_signing::{
        DEFAULT_TOLERANCE, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, Headers, PublicKey, PublicKeyError,
        SecretError, Signature, SigningScheme, SigningSecret, VerificationKey, VerificationKeyError,
        Verifier, VerifyError,
    };
}

pub use rdev_app::{Ambient, Outages};
#[cfg(feature = "worker")]
pub use rdev_webhooks_app::deliver::WorkerOptions;
pub use rdev_webhooks_app::{DraftViolation, EventViolation, PublishError as EventRefused, SchemaViolation};
#[cfg(any(feature = "api", feature = "worker"))]
pub use rdev_webhooks_app::{
    EventTypeDefinition, EventTypeOrigin, EventTypeRegistry, NewEventType, NewReplay, RegistryError,
    ReplayError, Replays, SecretRotated, WebhookCreated, WebhookError, WebhookViolation, Webhooks,
};
#[cfg(any(feature = "api", feature = "worker"))]
pub use rdev_webhooks_dispatch_http::{ProxyUrl, ProxyUrlError};
pub use rdev_webhooks_domain::Published;
pub use rdev_webhooks_domain::ports::{Migration, SchemaState};
#[cfg(feature = "api")]
pub use rdev_webhooks_http_api::{ApiOptions, Authorized, Refusal};
#[cfg(feature = "sqlite")]
pub use rdev_webhooks_store_sqlite::{OpenFiles, ReplacedFile};

#[cfg(any(feature = "api", feature = "worker"))]
pub use builder::Builder;
pub use connection::{ConnectionRef, PublishConnection};
pub use database::{Database, DatabaseError, DatabaseKind};
pub use error::{OpenError, PublishError};
pub use event::{Event, InvalidMember};
pub use on_pool::PublishPool;
pub use publish::Publisher;
#[cfg(feature = "sqlite")]
pub use rekey::is_unsealed;
pub use rekey::rekey;
pub use schema::{MigrateError, migrate, migrations, schema_state};
#[cfg(any(feature = "api", feature = "worker"))]
pub use system::RdevWebhooks;
