//! Tests of the receiving side.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers too")]

mod inbox;
mod requests;
