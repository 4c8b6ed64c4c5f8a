//! Tests of the runner's use cases.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod demo;
mod redactor;
mod registry;
mod runner;
