//! What the stores of the command runner share: all that does not depend on the dialect of SQL.
//!
//! - [`Signals`] wakes the readers of a store in its process.
//! - [`rows`] reads what is stored, and [`report`] decides what a report of a runner changes.
//! - [`credentials`] decides what a change of a credential writes and what a run gets, and encrypts the values.
//! - [`statistics`] adds up what the commands of a project were and cost.
//! - [`Occupancy`] explains why a command waits.
//! - [`publish_change`] and [`publish_pipeline`] publish the webhook event of a change, in its transaction.
//! - [`DbError`] sorts the errors of a database, [`SchemaError`] says which migrations it lacks, and
//!   [`KeyError`] which encryption key a keyring lacks.

pub mod credentials;
mod error;
mod occupancy;
pub mod pipelines;
pub mod pods;
mod publish;
pub mod report;
mod resealing;
pub mod rows;
mod schema;
mod signals;
pub mod statistics;

pub use error::{DbError, Dialect, corrupt, internal};
pub use occupancy::Occupancy;
pub use publish::{publish_change, publish_pipeline};
pub use resealing::{KeyError, check_samples};
pub use schema::{SchemaError, compare};
pub use signals::Signals;
