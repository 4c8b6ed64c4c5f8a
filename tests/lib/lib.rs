//! What the end-to-end tests share: the built binaries as processes, and a client for their API.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod process;
mod python;

pub use client::{Answer, Client};
pub use process::{AllInOne, binary};
pub use python::python;
