//! The pages in the console of the webhooks, request by request, over a store in memory.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access;
mod commands;
mod credentials;
mod hostile;
mod live;
mod projects;
mod scene;
mod templates;
