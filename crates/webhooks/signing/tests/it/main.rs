//! The public API of the crate, in one integration binary.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod properties;
mod secrets;
mod vectors;
mod verifying;
