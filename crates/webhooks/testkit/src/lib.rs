//! The test kit of rdev webhooks.
//!
//! - [`contract`]: the suite that every store passes, and [`contract_tests!`] which runs it.
//! - [`MemoryStore`]: all ports in memory, built on the domain's own rules. It passes the suite, so in a
//!   test it behaves as a database would.
//! - [`ManualClock`], [`TokioClock`] and [`SeededEntropy`]: time and randomness that a test controls.
//! - [`samples`]: webhooks, events and attempts, for tests that need one particular field.
//! - [`Receiver`]: an HTTP endpoint that answers by script and keeps its requests; [`Hostile`]: a hostile
//!   endpoint.
//! - [`soak()`]: how often a test repeats itself; [`eventually`]: waits for what only a look can tell.
//!
//! Each of these fails a test by a panic.

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
mod logs;
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod receiver;
pub mod samples;
mod soak;
mod wait;

pub use clock::{ManualClock, TokioClock};
pub use entropy::SeededEntropy;
pub use hostile::{Hostile, Malice};
pub use logs::subscribe_thread;
pub use memory::MemoryStore;
pub use receiver::Receiver;
pub use soak::soak;
pub use wait::eventually;
