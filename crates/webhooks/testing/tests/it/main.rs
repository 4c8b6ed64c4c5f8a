//! The helpers, in transactions on Postgres and SQLite that are rolled back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking, and its helpers too")]

mod deliveries;
mod transactions;
