//! Tests of the runner's use cases.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too, and prints the figures that it is about"
)]

mod credentials;
mod demo;
mod redactor;
mod registry;
mod runner;
