//! The options as a binary flattens them.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, and its helpers too")]

mod metrics;
mod options;
mod signals;
