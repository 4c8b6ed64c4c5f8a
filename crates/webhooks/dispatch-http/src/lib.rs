//! Sends deliveries over HTTP/1.1 and HTTP/2: the [`Dispatcher`](rdev_webhooks_domain::ports::Dispatcher)
//! port on hyper and rustls.
//!
//! - **Guarded.** A connection is made only to an address that the
//!   [`DestinationPolicy`](rdev_webhooks_domain::DestinationPolicy) accepts. Literal addresses and the
//!   results of look-ups are judged alike, all results of a name, again for every connection. The socket is
//!   opened to the judged address, so that no second look-up can come between. Redirects are not followed. An
//!   egress proxy is used only if [`Options`] names one, whatever the environment says; it too gets judged
//!   addresses and no names.
//! - **Bounded.** One deadline covers everything from the look-up to the last byte read. A response head may
//!   have 32 KiB and (over HTTP/1) 100 headers. Of the body,
//!   [`RESPONSE_BODY_LIMIT`](rdev_webhooks_domain::RESPONSE_BODY_LIMIT) bytes are read; a longer one is
//!   dropped with its connection, or with its stream under HTTP/2. Nothing is decompressed.
//! - **Once.** A request is sent again, once and over another connection, only if the endpoint certainly did
//!   not process it: a pooled connection ended before the first byte of a response, or the endpoint said so
//!   in HTTP/2 (a `GOAWAY` below the stream, `REFUSED_STREAM`).
//! - **Fair.** A shortage or failure of this host (descriptors, ports, a route, its resolver, its egress
//!   proxy) is a [`LocalFault`](rdev_webhooks_domain::ports::LocalFault) and not a failure of the endpoint.
//!   Connections and look-ups are bounded by the number of descriptors that the process may open; a wait for
//!   one of them does not count as the endpoint's time.
//! - **Explained.** Each phase is timed, and each failure has a class and a sentence that contains neither
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
mod look_up;
mod options;
mod pool;
mod pool_state;
mod progress;
mod proxy;
mod resolve;
mod resolver_pools;
mod response;
mod stream;
mod system_resolver;
mod tls;
mod tls_error;
mod tunnel;

pub use deadline::Deadline;
pub use dispatcher::HttpDispatcher;
pub use options::{Options, OptionsError};
pub use proxy::{ProxyUrl, ProxyUrlError};
pub use resolve::{Purpose, Resolve, ResolveError};
pub use rustls::pki_types::CertificateDer;
pub use system_resolver::SystemResolver;
