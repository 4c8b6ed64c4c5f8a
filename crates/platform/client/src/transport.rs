//! HTTP over TCP and TLS.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as HyperError};
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The longest that a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An HTTP client with a pool of connections.
#[derive(Debug, Clone)]
pub struct Transport(Scheme);

#[derive(Debug, Clone)]
enum Scheme {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// The reason why there is no response.
#[derive(Debug)]
pub struct TransportError {
    /// Whether no connection could be made, so that nothing was sent.
    pub is_connect: bool,
    /// The innermost cause.
    pub reason: String,
}

impl Transport {
    /// Creates a transport for a URL. For `https` it loads the system's certificates.
    ///
    /// # Errors
    /// Fails if the scheme is neither `http` nor `https`, or if the system has no certificates.
    pub fn new(uri: &Uri) -> io::Result<Self> {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        match uri.scheme_str() {
            Some("http") => Ok(Self(Scheme::Plain(builder.build(tcp)))),
            Some("https") => {
                tcp.enforce_http(false);
                let provider = rustls::crypto::ring::default_provider();
                let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
                Ok(Self(Scheme::Tls(builder.build(tls.https_only().enable_http1().wrap_connector(tcp)))))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the URL must begin with http:// or https://",
            )),
        }
    }

    /// Sends a request and returns the response as soon as its headers are there.
    ///
    /// # Errors
    /// Fails if no connection can be made, or if it breaks before the response.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, TransportError> {
        let request = request.map(Full::new);
        let sent = match &self.0 {
            Scheme::Plain(client) => client.request(request).await,
            Scheme::Tls(client) => client.request(request).await,
        };
        sent.map_err(|error: HyperError| TransportError {
            is_connect: error.is_connect(),
            reason: cause(&error),
        })
    }
}

/// Returns the innermost cause of an error, which says most.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
