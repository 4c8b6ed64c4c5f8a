//! The REST API of rdev webhooks, over axum.
//!
//! [`router`] builds the API from [`Services`]; [`serve`] runs it on a listener. An embedder may mount the
//! router in its own application instead: links, `Location` and `instance` contain the path that the client
//! requested, wherever the router is nested. The router has its own fallback, so that an unknown path is
//! answered like every other error.
//!
//! # Response headers
//!
//! | header | value |
//! |---|---|
//! | `x-request-id` | the client's own if it is 1 to 128 visible ASCII characters, otherwise a new one |
//! | `cache-control` | `no-store` |
//! | `x-content-type-options` | `nosniff` |
//!
//! # Errors
//!
//! Every error is `application/problem+json` (RFC 9457) with the members `type`, `title`, `status`, `detail`,
//! `instance` (the requested path), `code` (one of [`ProblemCode`]), `request_id` and `errors`. Each entry of
//! `errors` has a `detail` and locates the fault by one of
//!
//! - `pointer`: a JSON pointer (RFC 6901) into the body,
//! - `parameter`: the name of a query or path parameter,
//! - `header`: the name of a request header.
//!
//! A request with faults in its body or its query gets 422 `validation_failed`, which lists all of them (the
//! first 100). Invalid input changes nothing. The only errors that are not problems are those of HTTP itself,
//! which precede the request: 400 if the head is not valid HTTP or does not name its host exactly once, and
//! 431 if it exceeds the limits of [`ServeOptions`]. If a head does not arrive in time, the server closes the
//! connection.
//!
//! # Choices
//!
//! - An unknown path is 404 with or without a key; a known path without a key is 401.
//! - An id in a path that is malformed or of another type is 404, like that of a resource that no longer
//!   exists.
//! - A list accepts only the parameters that it documents: a misspelt filter is refused rather than ignored.
//! - A query is ignored where none is documented, and so is the body of a GET or a DELETE.
//! - Every POST may have an `Idempotency-Key`. It is then executed once, and a repetition gets the same
//!   response, including the `request_id` of an error, with `Idempotent-Replayed: true`.
//! - In a body, `null` means that an optional member is absent; in a merge patch it resets the member to its
//!   default.
//! - Data that is passed on must be readable for others: a body may be nested at most 100 levels deep, and an
//!   event's `data` may contain neither halves of surrogate pairs nor numbers beyond the range of a double.

pub mod codes;
mod failure;
mod keys;
mod openapi;
mod options;
mod path;
mod routes;
mod schema_types;
mod shared;
mod views;

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_http::limits::Limits;
use rdev_http::{Observer, fallback};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ports::Entropy;
use shared::Shared;

/// The router type, which [`router`] returns, for embedders.
pub use axum::Router;
pub use openapi::openapi_json;
pub use options::{ApiOptions, MetricsSource};
pub use rdev_http::auth::{Authorized, Refusal};
pub use rdev_http::openapi::Description;
pub use rdev_http::{ProblemCode, ServeOptions, serve};

/// Request timeout of the health routes. Longer than the database check may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Builds the API as a service: all routes, authentication and error handling.
///
/// The router does no I/O itself; all reads and writes go through `services`. `entropy` generates the request
/// ids.
pub fn router(services: Services, entropy: Arc<dyn Entropy>, options: ApiOptions) -> Router {
    let limits = Arc::new(Limits::default());
    let (api_keys, idempotency) = (services.api_keys.clone(), services.idempotency.clone());
    let gate = options.authorized_by.gate(api_keys, idempotency, Arc::clone(&limits));
    let guarded = gate.guard(routes::guarded().router).merge(gate.recognize(routes::recognizing().router));
    let observer = Observer {
        request_timeout: options.request_timeout,
        limits,
        ..observer(entropy, services.outages.clone())
    };
    let described = openapi::routes(options.descriptions);
    let open = routes::open(options.metrics).router.merge(described.router);
    finished(open.merge(guarded).fallback(openapi::root), observer, services)
}

/// Builds a router for a process without an API: `/healthz`, `/readyz` and, with a source of metrics,
/// `/metrics`. `entropy` generates the request ids.
pub fn health_router(
    services: Services,
    entropy: Arc<dyn Entropy>,
    metrics: Option<MetricsSource>,
) -> Router {
    let observer = observer(entropy, services.outages.clone());
    finished(routes::open(metrics).router.fallback(fallback::no_such_path), observer, services)
}

/// Builds a router for a process that waits for its database: `/healthz`, `/metrics` with a source of
/// metrics, and 503 for everything else, including `/readyz`. `entropy` generates the request ids.
pub fn waiting_router(entropy: Arc<dyn Entropy>, metrics: Option<MetricsSource>) -> Router {
    observer(entropy, Outages::default()).observe(routes::waiting(metrics))
}

/// Returns the paths of all routes, so that tests can cover every one.
#[doc(hidden)]
#[must_use]
pub fn route_paths() -> Vec<&'static str> {
    let metrics: MetricsSource = Arc::new(String::new);
    let all =
        [routes::guarded(), routes::recognizing(), routes::open(Some(metrics)), openapi::routes(Vec::new())];
    all.into_iter().flat_map(|routes| routes.paths).collect()
}

/// Returns the outermost layer with the limits of a router without an API.
fn observer(entropy: Arc<dyn Entropy>, outages: Outages) -> Observer {
    Observer {
        entropy,
        request_timeout: HEALTH_TIMEOUT,
        outages,
        limits: Arc::default(),
        histogram: "rdev_webhooks_http_request_duration_seconds",
    }
}

/// Adds the layers that surround every route.
fn finished(routes: Router<Shared>, observer: Observer, services: Services) -> Router {
    let routes = routes.method_not_allowed_fallback(fallback::method_not_allowed);
    observer.observe(routes).with_state(Shared::new(services))
}
