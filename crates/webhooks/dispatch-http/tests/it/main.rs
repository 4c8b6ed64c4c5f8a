//! The dispatcher with real sockets: ordinary receivers, hostile ones, names and certificates.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod connections;
mod dns;
mod forbidden;
mod garbage;
mod guard;
mod hostile;
mod http2;
mod names;
mod ordinary;
mod proxy;
mod receiver;
mod setup;
mod tls;
