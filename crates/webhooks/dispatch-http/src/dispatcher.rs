use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Uri};
use rdev_webhooks_domain::ports::{DispatchReport, DispatchRequest, Dispatcher, LocalCause, LocalFault};
use rdev_webhooks_domain::{
    AttemptFailure, AttemptOutcome, EndpointUrl, FailureClass, Phases, RefusedDestination,
};
use tokio::time::{Instant, timeout};

use crate::connector::{Connector, silent_resolver};
use crate::deadline::Deadline;
use crate::failure::timed_out;
use crate::failure::{SendError, Unprocessed};
use crate::fault::{NotConnected, fault};
use crate::guard::{Guard, NoAddress};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::pool::{Lease, Pool};
use crate::pool_state::{Limits, Origin};
use crate::progress::{Progress, Stage};
use crate::response::{Body, BodyEnd, Capture};
use crate::tunnel::EgressProxy;
use crate::{Options, OptionsError, Purpose, tls};

/// Longer than any sensible deadline, and short enough to be added to a clock.
const MAX_DEADLINE: Duration = Duration::from_secs(3_600);
/// The longest wait of [`Dispatcher::check_destination`] for a look-up: a client is waiting for the response.
const CHECK_DEADLINE: Duration = Duration::from_secs(2);

/// Sends deliveries over one pool of connections. Create one per process and share it. It must be used within
/// a tokio runtime.
pub struct HttpDispatcher {
    pool: Pool,
    connector: Connector,
    guard: Guard,
    require_https: bool,
}

impl HttpDispatcher {
    /// Creates a dispatcher. Reads the system's certificate authorities if the options say so.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let tls = tls::config(options.system_roots, options.extra_roots)?;
        let resolver = options.resolver;
        let proxy = options.egress_proxy.map(|url| EgressProxy::new(url, Arc::clone(&resolver)));
        let guard = Guard::new(options.policy, resolver);
        let pool = Pool::new(Limits {
            connections: options.max_connections,
            idle: options.max_idle_connections,
            idle_per_origin: options.pool_max_idle_per_host,
            idle_timeout: options.pool_idle_timeout,
            max_age: options.max_connection_age,
        });
        let connector = Connector::new(guard.clone(), proxy, Arc::new(tls));
        Ok(Self { pool, connector, guard, require_https: options.require_https })
    }

    fn judge_scheme(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        if self.require_https && !url.is_https() {
            return Err(RefusedDestination {
                host: url.host().to_string(),
                reason: "only https:// URLs are allowed",
            });
        }
        Ok(())
    }

    /// Sends a request, and once more over another connection if it certainly was not processed.
    async fn exchange(&self, attempt: &mut Attempt<'_>) -> Result<(), NotConnected> {
        let origin = Origin::of(attempt.uri);
        let lease = self.connection(&origin, attempt, true).await?;
        match self.send_over(&origin, lease, attempt).await {
            Ok(()) => Ok(()),
            Err(error) if error.unprocessed == Unprocessed::Certainly => {
                tracing::debug!(
                    reason = error.failure.detail,
                    "endpoint did not process the request; sending it again"
                );
                attempt.progress.restart();
                let lease = self.connection(&origin, attempt, false).await?;
                Ok(self.send_over(&origin, lease, attempt).await.map_err(|error| error.failure)?)
            }
            Err(error) => Err(error.failure.into()),
        }
    }

    /// Takes a connection from the pool or opens one.
    async fn connection(
        &self,
        origin: &Origin,
        attempt: &mut Attempt<'_>,
        may_be_stale: bool,
    ) -> Result<Lease, NotConnected> {
        if let Some(lease) = self.pool.reuse(origin, may_be_stale) {
            return Ok(lease);
        }
        // Taken before the lock, so that no other request waits at the lock for capacity of this host.
        let place = self.pool.place(attempt.deadline).await?;
        let opening = self.pool.lock_opening(origin).await;
        if opening.is_some()
            && let Some(lease) = self.pool.reuse(origin, may_be_stale)
        {
            return Ok(lease);
        }
        let (deadline, progress) = (attempt.deadline, &mut attempt.progress);
        let stream = self.connector.open(attempt.uri, place, deadline, progress).await?;
        let expires = self.pool.expiry();
        if stream.is_http2() {
            let connection = Http2::open(stream, expires).await?;
            return Ok(Lease::Http2(self.pool.share(origin, connection)));
        }
        self.pool.opened(origin);
        drop(opening);
        Ok(Lease::Http1(Http1::open(stream, expires).await?))
    }

    async fn send_over(
        &self,
        origin: &Origin,
        lease: Lease,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), SendError> {
        attempt.progress.enter(Stage::Head);
        match lease {
            Lease::Http1(mut connection) => {
                let response = connection.send(attempt.uri, attempt.headers, attempt.body).await?;
                let (head, body) = Body::of_http1(response);
                attempt.answered();
                if attempt.capture.read(&head, body).await == BodyEnd::Complete {
                    attempt.ended = Some(Instant::now());
                    if let Some(connection) = connection.into_ready().await {
                        self.pool.put(origin, connection);
                    }
                }
            }
            Lease::Http2(lease) => {
                let connection = Arc::clone(&lease.connection);
                match connection.send(attempt.uri, attempt.headers, attempt.body).await {
                    Ok(response) => {
                        let (head, body) = Body::of_http2(response);
                        attempt.answered();
                        attempt.capture.read(&head, body).await;
                        lease.end();
                    }
                    Err(error) => {
                        if error.unprocessed == Unprocessed::Certainly {
                            connection.retire();
                        }
                        lease.end();
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}

/// One attempt. Its state is outside the future that the deadline can end.
struct Attempt<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    deadline: &'a Deadline,
    progress: Progress,
    capture: Capture,
    /// When the response was complete.
    ended: Option<Instant>,
}

impl Attempt<'_> {
    fn answered(&mut self) {
        self.progress.answered(self.deadline.elapsed());
    }

    fn report(mut self, failed: Option<AttemptFailure>) -> DispatchReport {
        let duration = match self.ended {
            Some(ended) => self.deadline.elapsed().saturating_sub(ended.elapsed()),
            None => self.deadline.elapsed(),
        };
        let phases = self.progress.phases();
        let outcome = match (self.capture.into_response(), failed) {
            (Some(response), None) => AttemptOutcome::answered(response),
            (response, failure) => AttemptOutcome { response, failure },
        };
        DispatchReport { outcome, duration, phases }
    }
}

#[async_trait]
impl Dispatcher for HttpDispatcher {
    async fn check_destination(&self, url: &EndpointUrl) -> Result<(), RefusedDestination> {
        self.judge_scheme(url)?;
        let deadline = Deadline::new(CHECK_DEADLINE);
        let host = url.host();
        match timeout(CHECK_DEADLINE, self.guard.addresses(&host, Purpose::DestinationCheck, &deadline)).await
        {
            Ok(Err(NoAddress::Refused(refused))) => Err(refused),
            Ok(Ok(_) | Err(NoAddress::LookUp(_) | NoAddress::Local(_))) | Err(_) => Ok(()),
        }
    }

    async fn send(&self, request: DispatchRequest) -> Result<DispatchReport, LocalFault> {
        if let Err(refused) = self.judge_scheme(&request.url) {
            let class = FailureClass::RefusedDestination;
            return Ok(DispatchReport {
                outcome: AttemptOutcome::failed(class, refused.to_string()),
                duration: Duration::ZERO,
                phases: Phases::default(),
            });
        }
        let deadline = Deadline::new(request.deadline.min(MAX_DEADLINE));
        let mut attempt = Attempt {
            uri: request.url.uri(),
            headers: &request.headers,
            body: &request.body,
            deadline: &deadline,
            progress: Progress::new(),
            capture: Capture::default(),
            ended: None,
        };
        let ended = tokio::select! {
            biased;
            ended = self.exchange(&mut attempt) => ended,
            // A complete response only waits for its connection to become ready again.
            () = deadline.passed() => match attempt.ended {
                Some(_) => Ok(()),
                None => Err(self.late(&attempt)),
            },
        };
        match ended {
            Ok(()) => Ok(attempt.report(None)),
            Err(NotConnected::Endpoint(failure)) => Ok(attempt.report(Some(failure))),
            Err(NotConnected::Local(fault)) => Err(fault),
        }
    }
}

impl HttpDispatcher {
    /// Explains an expired deadline.
    fn late(&self, attempt: &Attempt<'_>) -> NotConnected {
        let stage = attempt.progress.stage();
        if self.connector.awaits_resolver(&attempt.progress) {
            return silent_resolver();
        }
        if stage == Stage::Proxy {
            return fault(LocalCause::EgressProxy, "the egress proxy's name could not be resolved in time")
                .into();
        }
        timed_out(attempt.deadline.limit(), stage).into()
    }
}
