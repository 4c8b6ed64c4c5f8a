//! Templates from the outside: hostile ones, and the shipped ones.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod hostile;
mod pipelines;
mod scene;
mod shipped;
