//! The use cases over the in-memory store and a scripted dispatcher, in paused time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod circuits;
mod delivering;
mod event_types;
mod faults;
mod isolation;
mod local_faults;
mod model;
mod publishing;
mod replays;
mod spans;
mod statistics;
mod support;
mod webhooks;
