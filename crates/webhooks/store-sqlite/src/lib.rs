//! The ports of rdev webhooks over SQLite: the embedded default, for one process on one machine.
//!
//! [`SqliteStore::open`] makes or opens a database and is from then on the only one to use it: a lock
//! file beside the database keeps other processes out, so that whatever lease it finds there was left
//! by a process that is dead, and what that was sending can be sent again at once.
//!
//! # One writer
//!
//! SQLite lets one connection write at a time. So one task owns the connection that writes, and what
//! is to be written comes to it through a bounded channel. It takes whatever waits, runs it in one
//! transaction (each job behind a savepoint of its own, the events that are published together at
//! once), and commits, which with `synchronous=FULL` means that it is on disk. Then it answers all of
//! them: under load, many callers share one wait for the disk. Readers have connections of their own,
//! and neither wait for the writer nor hold it up. Listings have theirs, so that the worker and
//! authentication never wait for one; a listing that nobody waits for any more is interrupted.
//!
//! # Rules
//!
//! How a delivery goes on is decided by [`Progress`](rdev_webhooks_domain::delivery::Progress), not in
//! SQL: a batch of deliveries is read in one statement, changed by the domain's own transitions, and
//! written back in one statement. That is safe because nobody else writes.
//!
//! # Secrets
//!
//! Signing secrets, custom headers, and what is remembered under idempotency keys are sealed with the keyring
//! before they reach SQLite, each bound to its table, column and row. Opening the database with a keyring that
//! cannot open it fails; opening it with another primary key seals everything anew with that, as [`rekey`] does
//! while somebody else serves.

mod api_keys;
mod clock;
mod damage;
mod error;
mod event_types;
mod events;
mod feed;
mod files;
mod health;
mod history;
mod idempotency;
mod json;
mod key_checks;
mod listing;
mod open;
mod options;
mod public_keys;
mod queue;
mod rebase;
mod replays;
mod resealing;
mod rotate;
mod rows;
mod sealing;
mod statistics;
mod store;
mod targets;
mod transitions;
mod unsealed;
mod visible;
mod webhooks;
mod writer;

pub use open::{OpenError, migrate, rekey};
pub use options::SqliteOptions;
pub use store::SqliteStore;
pub use unsealed::is_unsealed;
