//! Tests of the Postgres store, on a real server.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers too"
)]

mod adding;
mod claims;
mod clocks;
mod contract;
mod event_feed;
mod feed;
mod fixtures;
mod host_pool;
mod ids;
mod keys;
mod listings;
mod outages;
mod partitions;
mod plans;
mod pruning;
mod schema;
mod secrets;
mod sessions;
mod settling;
mod silences;
mod store;
mod transitions;
mod wakeups;
