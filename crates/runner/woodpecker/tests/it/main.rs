//! The client against a server that answers as Woodpecker does.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod ci_server;
mod failures;
mod operations;
mod server;
