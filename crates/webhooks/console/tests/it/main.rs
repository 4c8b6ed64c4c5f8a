//! The console over a real system on SQLite, request by request.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access;
mod catalogue;
mod deliveries;
mod hostile;
mod keys;
mod once;
mod overview;
mod replays;
mod scene;
mod shell;
mod webhooks;
