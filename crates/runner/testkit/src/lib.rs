//! What the tests of the command runner share: the [`contract`] suite that every agent passes, sinks that
//! record or stop events, and sample requests.

pub mod contract;
mod samples;
mod sinks;

pub use samples::{command_id, draft, request};
pub use sinks::{GatedSink, RecordingSink};
