//! What the tests of the command runner share: the [`contract`] suite that every agent passes, the suites
//! [`exec`] and [`stores`] that every backend and every store passes, the in-memory store, a stand-in for a cluster, a
//! clock, sinks that record or stop events, and sample requests.

mod ci;
mod clock;
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod cluster;
pub mod contract;
#[expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
pub mod exec;
mod memory;
mod samples;
mod sinks;
#[expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
pub mod stores;
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
mod suite;

pub use ci::{CiWorld, Look, ScriptedCi, Triggering};
pub use clock::ManualClock;
pub use cluster::{Cluster, ClusterOptions};
pub use memory::MemoryStore;
pub use rdev_webhooks_testkit::eventually;
pub use samples::{command_id, draft, project, request, run};
pub use sinks::{GatedSink, RecordingSink};
pub use suite::run_test;
