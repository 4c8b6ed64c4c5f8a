//! Templates from the outside: hostile ones, the shipped ones, and writing into a workspace.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod hostile;
mod interrupted;
mod pipelines;
mod races;
mod scene;
mod shipped;
mod writing;
