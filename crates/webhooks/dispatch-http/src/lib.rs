//! Sends deliveries over HTTP/1.1 and HTTP/2: the [`Dispatcher`](rdev_webhooks_domain::ports::Dispatcher)
//! port over hyper and rustls.
//!
//! - **Guarded.** A connection is made only to an address that the
//!   [`DestinationPolicy`](rdev_webhooks_domain::DestinationPolicy) lets pass. Literal addresses and the
//!   answers of look-ups are judged alike, all answers of a name, anew for every connection; the socket is
//!   opened to the judged address, so that no second look-up can come in between. Redirects are not
//!   followed. An egress proxy is used only if [`Options`] name one, whatever the environment says, and
//!   it too is given judged addresses and no names.
//! - **Bounded.** One deadline covers everything from the look-up to the last byte read. A response's head
//!   may have 32 KiB and (over HTTP/1) 100 headers, of its body
//!   [`RESPONSE_BODY_LIMIT`](rdev_webhooks_domain::RESPONSE_BODY_LIMIT) bytes are read; what goes on
//!   longer is dropped with its connection, or with its stream under HTTP/2. Nothing is decompressed.
//! - **Once.** A request is sent again, once and over another connection, only if the endpoint certainly did
//!   not process it: a connection from the pool ended before one byte of an answer, or the endpoint said so in
//!   HTTP/2 (a `GOAWAY` below the stream, `REFUSED_STREAM`).
//! - **Fair.** What this host lacks (descriptors, ports, a route, its resolver, its egress proxy) is a
//!   [`LocalFault`](rdev_webhooks_domain::ports::LocalFault) and no failure of the endpoint. Connections and
//!   look-ups are bounded, derived from the descriptors that the process may open; a wait for one of them does
//!   not count as the endpoint's time.
//! - **Explained.** Each phase is timed and each failure has a class and a sentence that holds neither
//!   secrets nor the URL's path or query.

mod connect;
mod connector;
mod deadline;
mod dispatcher;
mod dns;
mod failure;
mod fault;
mod frames;
mod guard;
mod http1;
mod http2;
mod lanes;
mod options;
mod pool;
mod pool_state;
mod progress;
mod proxy;
mod resolve;
mod response;
mod stream;
mod system_resolver;
mod tls;
mod tunnel;

pub use deadline::Deadline;
pub use dispatcher::HttpDispatcher;
pub use options::{Options, OptionsError};
pub use proxy::{ProxyUrl, ProxyUrlError};
pub use resolve::{Purpose, Resolve, ResolveError};
pub use rustls::pki_types::CertificateDer;
pub use system_resolver::SystemResolver;
