//! What tests of rdev webhooks stand on.
//!
//! - [`contract`]: the suite that every store passes, and [`contract_tests!`] which runs it.
//! - [`MemoryStore`]: all the ports in memory, built on the domain's own rules; it passes the suite,
//!   so a test that uses it sees what a database would do.
//! - [`ManualClock`], [`TokioClock`] and [`SeededEntropy`]: time and randomness that a test controls.
//! - [`samples`]: webhooks, events and attempts, for tests that care about one field of them.
//! - [`Receiver`]: an HTTP endpoint that answers by script and keeps what it was sent; [`Hostile`]: one
//!   that does its worst.
//!
//! Panics are how all of this fails a test.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and this crate is used by tests alone"
)]

mod clock;
pub mod contract;
mod entropy;
mod hostile;
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod receiver;
pub mod samples;

pub use clock::{ManualClock, TokioClock};
pub use entropy::SeededEntropy;
pub use hostile::{Hostile, Malice};
pub use memory::MemoryStore;
pub use receiver::Receiver;
