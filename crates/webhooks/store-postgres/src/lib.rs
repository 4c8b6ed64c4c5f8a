//! The ports of rdev webhooks on Postgres, for several API processes and any number of workers on one
//! database.
//!
//! [`PostgresStore`] implements all store ports. [`migrate`] prepares a database; [`schema_state`] returns
//! whether a database is prepared.
//!
//! # Layout
//!
//! All objects are in the schema `rdev_webhooks`. `delivery_queue` holds the unfinished deliveries and
//! nothing else; `events`, `deliveries` (the finished ones) and `attempts` are partitioned by the day in
//! their ids, so that retention drops whole tables. Publishing, claiming and settling are one statement each,
//! over arrays, for any number of deliveries.
//!
//! # Time
//!
//! All scheduling uses the database's clock (the SQL function `rdev_webhooks.now()`): a machine with a wrong
//! clock does no harm.
//!
//! # Waiting
//!
//! Every wait is bounded: for a connection, for a statement, for a lock. A wait that exceeds its bound, and
//! any failure caused by a lost connection, is [`StoreError::Unavailable`]; the pools recover by themselves.
//!
//! [`StoreError::Unavailable`]: rdev_webhooks_domain::ports::StoreError::Unavailable

mod address;
mod api_keys;
mod clock;
mod connect_error;
mod convert;
mod error;
mod event_repository;
mod event_types;
mod events;
mod feed;
mod history;
mod host_pool;
mod idempotency;
mod open;
mod operational;
mod options;
mod pool;
mod publisher;
mod queue;
mod readiness;
mod replays;
mod rows;
mod schema;
mod secrets;
mod statistics;
mod store;
mod upkeep;
mod version;
mod visible;
mod wakeups;
mod webhooks;

pub use address::Address;
pub use connect_error::ConnectError;
pub use host_pool::{follow_primary, host_pool};
pub use open::rekey;
pub use options::{PoolSizes, PostgresOptions};
pub use publisher::{PostgresPublisher, PublisherError};
pub use rdev_webhooks_domain::ports::{Migration, SchemaState};
pub use schema::{MigrateError, migrate, migrations, schema_state};
pub use store::PostgresStore;
