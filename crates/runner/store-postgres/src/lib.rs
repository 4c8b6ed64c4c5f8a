//! The store of the command runner on Postgres.
//!
//! [`PostgresCommands`] works on a pool of its caller, to the webhooks' database, in transactions of the isolation
//! level `READ COMMITTED`. A change locks the command's row and decides by what it has read: the domain's transitions
//! change the command, and one statement writes it back. The webhook event that reports the change is published in
//! the same transaction through [`Publisher::publish_in`](rdev_webhooks::Publisher).
//!
//! All objects are in the schema `rdev_runner`, whose table `_migrations` records which migrations were applied. Times
//! are the database's.

mod claim;
mod commands;
mod credential_rows;
mod credentials;
mod error;
mod pipelines;
mod pods;
mod projects;
mod queue;
mod relay;
mod resealing;
mod rows;
mod schema;
mod statistics;
mod store;

pub use rdev_runner_store::SchemaError;
pub use resealing::{KeyError, check_keys, reseal};
pub use schema::{MigrateError, check_schema, migrate};
pub use store::PostgresCommands;
