//! The outermost layer of every request: its id, its span, its deadline, and the rendering of errors.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use metrics::histogram;
use rdev_app::Outages;
use rdev_core::{Entropy, StoreError, with_causes};
use tokio::time::Instant;
use tracing::{Instrument, field};

use crate::limits::Limits;
use crate::panics::contain_panics;
use crate::{
    Deadline, Holder, Passed, ProbesOnly, Problem, ProblemCode, Rendered, RequestId, WRITE_TIMEOUT,
    X_REQUEST_ID,
};
use crate::{idempotency, requested_path};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// The outermost layer of a router.
pub struct Observer {
    /// The source of request ids.
    pub entropy: Arc<dyn Entropy>,
    /// How long a request may take. The outcome of a write that has begun is awaited for up to 20 s
    /// longer.
    pub request_timeout: Duration,
    /// The outages of the database, which failed requests report.
    pub outages: Outages,
    /// The limits that all requests share.
    pub limits: Arc<Limits>,
    /// The name of the histogram of the durations of requests, in seconds.
    pub histogram: &'static str,
}

impl Observer {
    /// Adds the layer to these routes and their fallbacks: each request gets its id, its span and its deadline,
    /// is measured and logged, and each error is rendered as a [`Problem`].
    pub fn observe<S: Clone + Send + Sync + 'static>(self, routes: Router<S>) -> Router<S> {
        routes.layer(from_fn(contain_panics)).layer(from_fn_with_state(Arc::new(self), observe))
    }
}

/// Handles a request as the outermost layer.
async fn observe(State(observer): State<Arc<Observer>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), &*observer.entropy);
    let instance = requested_path(request.extensions()).unwrap_or_else(|| request.uri().path().to_owned());
    let method = method(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!(
        "http.request",
        method,
        route,
        request_id = id.as_str(),
        api_key = field::Empty,
        status = field::Empty,
        duration_ms = field::Empty,
    );
    let deadline = Deadline(started + observer.request_timeout);
    request.extensions_mut().insert(deadline);
    // A write that has begun is not answered before its outcome is known.
    let is_write = !request.method().is_safe();
    let until = if is_write { deadline.after(WRITE_TIMEOUT) } else { deadline };
    if idempotency::concerns(request.method(), request.headers()) {
        request.extensions_mut().insert(id.clone());
    }

    let response = if is_crowded_out(&request, route) {
        let detail = "All connections are busy. Try again.";
        Problem::new(ProblemCode::UNAVAILABLE, detail).into_response()
    } else {
        let answered = until.bound(next.run(request)).instrument(span.clone()).await;
        answered.unwrap_or_else(|Passed| Problem::deadline_exceeded().into_response())
    };
    let problem = response.extensions().get::<Problem>().cloned();
    let response = match &problem {
        Some(problem) if response.extensions().get::<Rendered>().is_none() => {
            problem.render(&instance, id.as_str())
        }
        _ => response,
    };
    // A response to a request with a key is already counted in that key's share.
    let held = observer.limits.hold(Holder::Anybody, response).await;
    let mut response = held.unwrap_or_else(|problem| problem.render(&instance, id.as_str()));

    let took = started.elapsed();
    span.record("status", response.status().as_u16());
    span.record("duration_ms", milliseconds(took));
    measure(observer.histogram, method, route, response.status(), took);
    span.in_scope(|| log(problem.as_ref(), &observer.outages, method, route));
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.into_value());
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}

/// Returns whether a request came on a connection that is reserved for probes, and is not a probe.
fn is_crowded_out(request: &Request, route: &str) -> bool {
    // The routes may be nested under any path.
    let is_probe = || route.ends_with("/healthz") || route.ends_with("/readyz");
    request.extensions().get::<ProbesOnly>().is_some() && !is_probe()
}

/// Records a request's duration. Routes, methods and statuses are few, so the series are too.
fn measure(name: &'static str, method: &'static str, route: &str, status: StatusCode, took: Duration) {
    histogram!(
        name,
        "method" => method, "route" => route.to_owned(), "status" => status.as_str().to_owned()
    )
    .record(took);
}

/// Returns a method's name. The name of an unknown method does not reach the log.
fn method(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = KNOWN.iter().position(|known| known == method);
    known.map_or("other", |place| NAMES[place])
}

/// Logs how a request ended. Continuous failures of a route are one outage and one line: that of the first
/// request.
fn log(problem: Option<&Problem>, outages: &Outages, method: &str, route: &str) {
    let operation = || format!("{method} {route}");
    let Some(problem) = problem else {
        if outages.is_any() {
            outages.worked(&operation());
        }
        return tracing::debug!("request completed");
    };
    let code = problem.code();
    match problem.cause() {
        Some(cause) => {
            match cause.downcast_ref::<StoreError>() {
                Some(error) => outages.store_failed(&operation(), error),
                None => outages.failed(&operation(), cause),
            };
            tracing::debug!(code = code.as_str(), error = with_causes(cause), "request failed");
        }
        None if code == ProblemCode::DEADLINE_EXCEEDED => {
            outages.failed(&operation(), &std::io::Error::from(std::io::ErrorKind::TimedOut));
            tracing::debug!(code = code.as_str(), "request timed out");
        }
        None => tracing::debug!(code = code.as_str(), "request refused"),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
