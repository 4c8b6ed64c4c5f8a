//! The SQLite store against the contract, and what is its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod contract;
mod fixtures;
mod harness;
mod keys;
mod schema;
