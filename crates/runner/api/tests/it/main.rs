//! The API as its clients see it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod answer;
mod bad_requests;
mod commands;
mod counting;
mod credentials;
mod databases;
mod events;
mod idempotency;
mod limited;
mod openapi;
mod pods;
mod projects;
mod providers;
mod scene;
mod sockets;
mod templates;
mod woodpecker;
mod workspaces;
