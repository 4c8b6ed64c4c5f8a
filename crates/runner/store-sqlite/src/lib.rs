//! The store of the command runner on SQLite.
//!
//! [`SqliteCommands`] works on a pool of its caller, to the file of the webhooks' database. A transaction that
//! writes begins as the only one (`BEGIN IMMEDIATE`), so that it decides by what it has read: the domain's
//! transitions change a command, and one statement writes it back with its events. The webhook event that reports
//! the change is published in the same transaction through [`Publisher::publish_in`](rdev_webhooks::Publisher).
//!
//! Tables and indexes have the prefix `runner_`. `runner_migrations` records which migrations were applied.

mod claim;
mod commands;
mod credential_rows;
mod credentials;
mod error;
mod pipelines;
mod pods;
mod projects;
mod queue;
mod resealing;
mod rows;
mod schema;
mod statistics;
mod store;

pub use rdev_runner_store::SchemaError;
pub use resealing::{KeyError, check_keys, reseal};
pub use schema::{MigrateError, check_schema, migrate};
pub use store::SqliteCommands;
