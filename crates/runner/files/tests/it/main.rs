//! Writing into a workspace, from the outside.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod interrupted;
mod races;
mod scene;
mod writing;
