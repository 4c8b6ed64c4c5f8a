//! The dispatcher against real sockets: ordinary receivers, hostile ones, names and certificates.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod guard;
mod hostile;
mod http2;
mod ordinary;
mod receiver;
mod setup;
mod tls;
