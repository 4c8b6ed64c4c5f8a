//! Tests of the SQLite store: the contract of all stores, and its own properties.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so does what tests share"
)]

mod clock;
mod corruption;
mod durability;
mod fixtures;
mod harness;
mod keys;
mod opening;
mod plaintext;
mod plans;
mod replays;
mod transitions;
mod writing;

use harness::SqliteHarness;

mod contract {
    use super::SqliteHarness;

    rdev_webhooks_testkit::contract_tests!(SqliteHarness::new().await);
}
