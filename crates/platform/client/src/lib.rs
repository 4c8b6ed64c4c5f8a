//! What the clients of rdev's REST APIs share.
//!
//! A client of one API is a type over a [`Connection`], which [`client!`] defines, with a method for each [`Operation`]:
//!
//! ```no_run
//! use http::Method;
//! use rdev_client::{Call, Error, Operation, Reply};
//!
//! const GET: Operation = Operation { id: "getThing", method: Method::GET, path: "/things/{id}" };
//!
//! #[derive(serde::Deserialize)]
//! struct Thing {
//!     id: String,
//! }
//!
//! rdev_client::client!("things-client");
//!
//! impl Client {
//!     async fn get_thing(&self, id: &str) -> Result<Reply<Thing>, Error> {
//!         self.0.send(Call::new(&GET, &[id])?).await
//!     }
//! }
//! ```
//!
//! # Retries
//!
//! A call is repeated after 429, 503, a refused or broken connection and a timeout, at most [`MAX_ATTEMPTS`] times in
//! all and within the connection's deadline. `Retry-After` is honoured. Each `POST` has one idempotency key for all
//! its attempts, so the service carries it out once.
//!
//! # Responses
//!
//! A response is a [`Reply`]: the typed value, and the JSON as the service sent it.

mod builder;
mod call;
mod connection;
mod error;
mod key;
mod live;
mod newtype;
mod page;
mod reply;
mod retry;
mod sse;
mod transport;

#[cfg(feature = "testing")]
pub mod description;
#[cfg(feature = "testing")]
pub mod scripted;

pub use builder::Builder;
pub use call::{Call, Operation, Query};
pub use connection::Connection;
pub use error::{Error, Fault, Problem};
pub use key::random_key;
pub use live::{Live, Signal};
pub use page::{Page, PageRequest};
pub use reply::Reply;
pub use retry::MAX_ATTEMPTS;
pub use transport::{Transport, TransportError};
