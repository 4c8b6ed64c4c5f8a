//! The ports of rdev webhooks on SQLite: the embedded default, for one process on one machine.
//!
//! [`SqliteStore::open`] creates or opens a database and is its only user from then on: a lock file beside
//! the database excludes other processes. So every lease that it finds there belongs to a dead process, and
//! its delivery can be sent again at once.
//!
//! # One writer
//!
//! SQLite lets one connection write at a time. So one task owns the writing connection and receives writes
//! through a bounded channel. It takes all waiting writes, runs them in one transaction (each job behind a
//! savepoint of its own, all published events at once), and commits, which with `synchronous=FULL` means that
//! the group is on disk. Then it responds to all callers: under load, many callers share one wait for the
//! disk. Readers have connections of their own, and neither wait for the writer nor delay it. Listings have
//! other connections, so that the worker and authentication never wait for a listing; a listing whose caller
//! has given up is interrupted.
//!
//! # Rules
//!
//! [`Progress`](rdev_webhooks_domain::delivery::Progress) decides how a delivery proceeds, not SQL: one
//! statement reads a batch of deliveries, the domain's transitions change them, and one statement writes them
//! back. That is safe because there is only one writer.
//!
//! # Schema
//!
//! Tables and indexes have the prefix `webhooks_`, so that they can stand beside an application's own tables in
//! one file. `webhooks_migrations` records which migrations were applied.
//!
//! # Secrets
//!
//! Signing secrets, custom headers, and the records of idempotency keys are sealed with the keyring before
//! they reach SQLite, each bound to its table, column and row. Opening fails if the keyring cannot open the
//! database; opening with another primary key reseals everything with that key, as [`rekey`] does while
//! another process serves.

mod api_keys;
mod clock;
mod error;
mod event_types;
mod events;
mod feed;
mod files;
mod history;
mod idempotency;
mod json;
mod listing;
mod open;
mod open_files;
mod operational;
mod options;
mod queue;
mod rebase;
mod replays;
mod rows;
mod secrets;
mod statistics;
mod store;
mod unsealed;
mod visible;
mod webhooks;
mod writer;

pub use event_types::read_event_types;
pub use events::add::add_event;
pub use open::prepare::{migrations, read_state as read_schema_state};
pub use open::{OpenError, migrate, rekey, schema_state};
pub use open_files::{OpenFiles, ReplacedFile};
pub use options::SqliteOptions;
pub use store::SqliteStore;
pub use unsealed::is_unsealed;
