//! What every HTTP API of rdev is made of.
//!
//! - [`serve`] runs a router on a listener, with limits and a graceful shutdown.
//! - [`RequestId`] and [`Deadline`] belong to each request.
//! - [`Shares`] divide what is scarce between API keys.

mod deadline;
mod patience;
mod request_id;
mod server;
mod shares;

pub use deadline::{Deadline, Passed, WRITE_TIMEOUT};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use server::{ProbesOnly, ServeOptions, serve};
pub use shares::{Holder, Share, Shares};
