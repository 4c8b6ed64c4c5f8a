//! The use cases over a store in memory, in paused time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod api_keys;
