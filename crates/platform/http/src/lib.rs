//! What every HTTP API of rdev is made of.
//!
//! - [`serve`] runs a router on a listener, with limits and a graceful shutdown.
//! - [`Problem`] is an error by RFC 9457, and [`Faults`] collects everything that is wrong with a request.
//! - [`body`], [`query`] and [`page`] read requests, and [`json`] and [`page::answer`] write responses.
//! - [`Caller`] says who makes a request, and [`limits`] bound what the requests of each caller use.
//! - [`RequestId`] and [`Deadline`] belong to each request.
//! - [`Shares`] divide what is scarce between API keys.

pub mod body;
mod caller;
mod damage;
mod deadline;
mod fault;
pub mod limits;
pub mod page;
mod patience;
mod problem;
pub mod query;
mod request_id;
mod response;
mod server;
mod shares;

pub use axum::http::StatusCode;
pub use caller::{Caller, requested_path};
pub use deadline::{Deadline, Passed, WRITE_TIMEOUT};
pub use fault::{Fault, Faults, Place};
pub use page::ListOf;
pub use problem::{Problem, ProblemBody, ProblemCode};
pub use query::Query;
pub use request_id::{RequestId, X_REQUEST_ID};
pub use response::{json, json_text};
pub use server::{ProbesOnly, ServeOptions, serve};
pub use shares::{Holder, Share, Shares};
