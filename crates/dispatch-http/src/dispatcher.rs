use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Extensions, Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rdev_webhooks_domain::ports::{DispatchReport, DispatchRequest, Dispatcher, LocalFault};
use rdev_webhooks_domain::{
    AttemptFailure, AttemptOutcome, EndpointUrl, FailureClass, Phases, RefusedDestination,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connector::Connector;
use crate::exchange::{CURRENT, Exchange, OpenedFor, Stage};
use crate::failure::{of_request, timed_out};
use crate::guard::{Guard, NoAddress};
use crate::response::Capture;
use crate::tunnel::EgressProxy;
use crate::{Options, OptionsError, Purpose, tls};

/// The size of a response's head, and of the buffer that it is read through.
const HEAD_LIMIT: usize = 32 * 1024;
/// Above any deadline that makes sense, and below what a clock can add.
const MAX_DEADLINE: Duration = Duration::from_secs(3_600);
/// How long [`Dispatcher::vet`] waits for a look-up: somebody is waiting for the answer.
const VET_DEADLINE: Duration = Duration::from_secs(2);

/// Sends deliveries over one pool of connections. Make one for a process and share it; it must be used
/// within a tokio runtime.
pub struct HttpDispatcher {
    client: Client<Connector, Full<Bytes>>,
    guard: Guard,
    require_https: bool,
}

impl HttpDispatcher {
    /// Makes a dispatcher; reads the system's certificate authorities if the options say so.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let tls = tls::config(options.system_roots, options.extra_roots)?;
        let resolver = options.resolver;
        let proxy = options.egress_proxy.map(|url| EgressProxy::new(url, Arc::clone(&resolver)));
        let guard = Guard::new(options.policy, resolver);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.pool_idle_timeout)
            .pool_max_idle_per_host(options.pool_max_idle_per_host)
            .http1_max_buf_size(HEAD_LIMIT)
            .http2_max_header_list_size(HEAD_LIMIT as u32)
            // A stream may send little more than is kept, all streams together what many of them need.
            .http2_initial_stream_window_size(HEAD_LIMIT as u32)
            .http2_initial_connection_window_size(1024 * 1024)
            // An HTTP/2 connection whose other end has vanished would take every request to its deadline.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .http2_keep_alive_timeout(Duration::from_secs(5))
            .build(Connector::new(guard.clone(), proxy, Arc::new(tls)));
        Ok(Self { client, guard, require_https: options.require_https })
    }

    fn judge_scheme(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        if self.require_https && !url.is_https() {
            return Err(RefusedDestination {
                host: url.host().to_string(),
                reason: "deliveries go to https:// URLs only here",
            });
        }
        Ok(())
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        progress: &mut Progress,
    ) -> Result<(), AttemptFailure> {
        let exchange = Arc::clone(&progress.exchange);
        let mut response = CURRENT
            .scope(exchange, self.client.request(request))
            .await
            .map_err(|error| of_request(&error))?;
        progress.served_by = response.extensions_mut().remove();
        progress.first_byte = Some(progress.started.elapsed());
        progress.capture.read(response).await
    }
}

/// What is known of an exchange at any time, kept outside the future that the deadline may end.
struct Progress {
    started: Instant,
    exchange: Arc<Exchange>,
    connection: CaptureConnection,
    /// The mark of the connection that the response came over.
    served_by: Option<OpenedFor>,
    first_byte: Option<Duration>,
    capture: Capture,
}

impl Progress {
    fn stage(&self) -> Stage {
        if self.capture.has_head() {
            Stage::Body
        } else if self.connection.connection_metadata().is_some() {
            Stage::Head
        } else {
            self.exchange.opening().0
        }
    }

    fn phases(&self) -> Phases {
        let phases = if self.opened_its_own() { self.exchange.opening().1 } else { Phases::default() };
        Phases { first_byte: self.first_byte, ..phases }
    }

    /// Whether the connection was opened for this exchange, and not found in the pool.
    fn opened_its_own(&self) -> bool {
        let is_own = |OpenedFor(owner): &OpenedFor| Arc::ptr_eq(owner, &self.exchange);
        if let Some(mark) = &self.served_by {
            return is_own(mark);
        }
        match self.connection.connection_metadata().as_ref() {
            // Nothing served it, so whatever was reached was on its own behalf.
            None => true,
            Some(connected) => {
                let mut extras = Extensions::new();
                connected.get_extras(&mut extras);
                extras.get().is_some_and(is_own)
            }
        }
    }

    fn report(self, failed: Option<AttemptFailure>) -> DispatchReport {
        let phases = self.phases();
        let response = self.capture.into_response();
        let outcome = match (response, failed) {
            (Some(response), None) => AttemptOutcome::answered(response),
            (response, failure) => AttemptOutcome { response, failure },
        };
        DispatchReport { outcome, duration: self.started.elapsed(), phases }
    }
}

#[async_trait]
impl Dispatcher for HttpDispatcher {
    async fn vet(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        self.judge_scheme(url)?;
        match timeout(VET_DEADLINE, self.guard.addresses(&url.host(), Purpose::Vetting)).await {
            Ok(Err(NoAddress::Refused(refused))) => Err(refused),
            Ok(Ok(_) | Err(NoAddress::LookUp(_))) | Err(_) => Ok(()),
        }
    }

    async fn send(&self, request: DispatchRequest) -> Result<DispatchReport, LocalFault> {
        let started = Instant::now();
        if let Err(refused) = self.judge_scheme(&request.url) {
            let class = FailureClass::RefusedDestination;
            return Ok(DispatchReport {
                outcome: AttemptOutcome::failed(class, refused.to_string()),
                duration: started.elapsed(),
                phases: Phases::default(),
            });
        }
        let limit = request.deadline.min(MAX_DEADLINE);
        let exchange = Arc::new(Exchange::new(started, limit));
        let mut http = Request::new(Full::new(request.body));
        *http.method_mut() = Method::POST;
        *http.uri_mut() = request.url.uri().clone();
        *http.headers_mut() = request.headers;
        let connection = capture_connection(&mut http);
        let mut progress = Progress {
            started,
            connection,
            served_by: None,
            first_byte: None,
            capture: Capture::default(),
            exchange,
        };
        let deadline = progress.exchange.deadline;
        let ended = timeout_at(deadline, self.exchange(http, &mut progress)).await;
        let failed = match ended {
            Ok(Ok(())) => None,
            Ok(Err(failure)) => Some(failure),
            Err(_) => Some(timed_out(limit, progress.stage())),
        };
        Ok(progress.report(failed))
    }
}
