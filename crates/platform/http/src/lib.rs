//! What every HTTP API of rdev is made of.
//!
//! - [`serve`] runs a router on a listener, with limits and a graceful shutdown.
//! - [`Problem`] is an error by RFC 9457, and [`Faults`] collects everything that is wrong with a request. [`failure!`]
//!   defines the error of an API's handlers, which each error of its use cases becomes.
//! - [`body`], [`query`] and [`page`] read requests, and [`json`], [`created`] and [`page::answer`] write responses. [`members!`]
//!   defines what is read and describes it in the API description, by the [kinds](mod@kind) of its members;
//!   [`schema`] has what names types there, and [`Text`] and [`Number`] are what responses show.
//! - [`event_stream`] writes server-sent events.
//! - [`openapi`] completes the description of an API.
//! - [`auth`] authenticates callers, and requires scopes of them. It gives each request its [`Caller`], and
//!   executes a request under an idempotency key once. [`OperationIds`] are the ids of what a request creates.
//! - [`limits`] bound what the requests of each caller use.
//! - [`Observer`] is the outermost layer: it gives each request its id and its deadline, measures and logs it, and
//!   renders its error. [`fallback`] answers requests without a route.
//! - [`tag`] compares versions of resources with `If-Match` and `If-None-Match`.

pub mod auth;
pub mod body;
mod caller;
mod damage;
mod deadline;
pub mod event_stream;
#[doc(hidden)]
pub mod failure;
pub mod fallback;
mod fault;
mod idempotency;
pub mod limits;
pub mod members;
mod observe;
pub mod openapi;
pub mod page;
mod panics;
mod path;
mod patience;
mod problem;
pub mod query;
mod request_id;
mod response;
mod routes;
pub mod schema;
mod server;
mod shares;
mod shown;
pub mod tag;

pub use axum::http::StatusCode;
pub use caller::Caller;
pub use fault::{Fault, Faults, Place};
pub use idempotency::OperationIds;
pub use members::kind;
pub use observe::Observer;
pub use page::{ListOf, ListQuery};
pub use path::{PathId, PathIds, path_parameters, segment};
pub use problem::{Problem, ProblemBody, ProblemCode, Rendered};
pub use query::Query;
pub use response::{constant, created, json};
pub use routes::Routes;
pub use server::{ServeOptions, serve};
pub use shown::{Number, Text};

#[doc(hidden)]
pub use utoipa;

pub(crate) use caller::requested_path;
pub(crate) use deadline::{Deadline, Passed, WRITE_TIMEOUT};
pub(crate) use request_id::{RequestId, X_REQUEST_ID};
pub(crate) use server::ProbesOnly;
pub(crate) use shares::{Holder, Share, Shares};
