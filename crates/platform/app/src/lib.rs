//! What the use cases of every domain of rdev are made of.
//!
//! - [`Ambient`] is their clock and their randomness. [`SystemClock`] and [`SystemEntropy`] are the system's.
//! - [`Outages`] logs each outage of the database once.
//! - [`periodic`] repeats work until the process drains.
//! - [`StreamPermits`] divide the open streams of a process among its API keys.

mod ambient;
mod outages;
pub mod periodic;
mod permits;

pub use ambient::{Ambient, SystemClock, SystemEntropy};
pub use outages::Outages;
pub use permits::{NoPermit, StreamPermit, StreamPermits};
