//! What every HTTP API of rdev is made of.
//!
//! - [`serve`] runs a router on a listener, with limits and a graceful shutdown.
//! - [`Problem`] is an error by RFC 9457, and [`Faults`] collects everything that is wrong with a request.
//! - [`RequestId`] and [`Deadline`] belong to each request.
//! - [`Shares`] divide what is scarce between API keys.

mod deadline;
mod fault;
mod patience;
mod problem;
mod request_id;
mod server;
mod shares;

pub use axum::http::StatusCode;
pub use deadline::{Deadline, Passed, WRITE_TIMEOUT};
pub use fault::{Fault, Faults, Place};
pub use problem::{Problem, ProblemBody, ProblemCode};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use server::{ProbesOnly, ServeOptions, serve};
pub use shares::{Holder, Share, Shares};
