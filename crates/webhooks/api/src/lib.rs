//! The REST API of rdev webhooks, over axum.
//!
//! [`router`] makes the API out of [`Services`]; [`serve`] runs it on a listener. An embedder may
//! mount the router in an application of its own instead: links, `Location` and `instance` name the
//! path that the client asked for, whatever it is nested under. The router brings its own fallback,
//! so that an unknown path is answered like every other error.
//!
//! # What every answer has
//!
//! | header | value |
//! |---|---|
//! | `x-request-id` | the client's own if it is 1 to 128 visible ASCII characters, otherwise a new one |
//! | `cache-control` | `no-store` |
//! | `x-content-type-options` | `nosniff` |
//!
//! # Errors
//!
//! Every error is `application/problem+json` (RFC 9457) with the members `type`, `title`, `status`,
//! `detail`, `instance` (the path asked for), `code` (one of [`ProblemCode`]), `request_id` and
//! `errors`. Each entry of `errors` has a `detail` and says where the fault is by one of
//!
//! - `pointer`: a JSON pointer (RFC 6901) into the body,
//! - `parameter`: the name of a parameter of the query or of the path,
//! - `header`: the name of a request header.
//!
//! A request with faults in its body or its query is 422 `validation_failed` and names all of them at
//! once (the first 100). Bad input changes nothing. The only errors that are not problems are those of
//! HTTP itself, which are answered before there is a request: a head that is no HTTP or does not name its host once
//! (400), or is over the bounds of [`ServeOptions`] (431). A connection on which a head does not arrive in time is
//! closed.
//!
//! # Choices
//!
//! - A path that does not exist is 404 with or without a key; one that exists is 401 without.
//! - An id in a path that is malformed or of another type is 404, as is one of something that is gone.
//! - A list takes the parameters that it documents and no others: a misspelt filter is refused rather
//!   than ignored.
//! - Where no query is documented it is ignored, and so is the body of a GET or a DELETE.
//! - A POST may carry an `Idempotency-Key`, whatever its route: it is then done once and answered the same again,
//!   the `request_id` in an error included. `Idempotent-Replayed: true` tells that.
//! - In a body, `null` stands for an absent optional member; in a merge patch it resets to the default.
//! - What is passed on must be readable for others: a body may be nested at most 100 levels deep, and an
//!   event's `data` may hold neither halves of surrogate pairs nor numbers beyond the range of a double.

mod auth;
mod body;
mod caller;
mod damage;
mod deadline;
mod failure;
mod fault;
mod idempotency;
mod limits;
mod observe;
mod openapi;
mod options;
mod page;
mod path;
mod patience;
mod problem;
mod query;
mod request_id;
mod routes;
mod server;
mod shared;
mod shares;
mod tag;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::{from_fn, from_fn_with_state};
use limits::Limits;
use observe::Observer;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ports::Entropy;
use shared::Shared;

/// What [`router`] makes, to be served or mounted.
pub use axum::Router;
pub use openapi::openapi_json;
pub use options::{ApiOptions, MetricsSource, ServeOptions};
pub use problem::ProblemCode;
pub use server::serve;

/// Longer than the check of the database may take.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The API as a service: every route, its authentication, and the handling of errors.
///
/// It neither reads nor writes anything by itself; all of that goes through `services`.
pub fn router(services: Services, options: ApiOptions) -> Router {
    let limits = Arc::new(Limits::default());
    let gate = Arc::new(auth::Gate::new(&options.api_key, &services, Arc::clone(&limits)));
    let guarded = routes::guarded()
        .router
        .method_not_allowed_fallback(routes::fallback::method_not_allowed)
        .route_layer(from_fn_with_state(gate, auth::admit));
    let observer = Observer {
        entropy: options.entropy,
        request_timeout: options.request_timeout,
        outages: services.outages.clone(),
        limits,
    };
    let open = routes::open(options.metrics).router.merge(routes::description().router);
    finished(open.merge(guarded), observer, services)
}

/// `/healthz`, `/readyz` and, with a source of them, `/metrics` alone, for a process that has no API.
/// Request ids are made of `entropy`.
pub fn health_router(
    services: Services,
    entropy: Arc<dyn Entropy>,
    metrics: Option<MetricsSource>,
) -> Router {
    let outages = services.outages.clone();
    let observer = Observer { entropy, request_timeout: HEALTH_TIMEOUT, outages, limits: Arc::default() };
    finished(routes::open(metrics).router, observer, services)
}

/// What a process serves while it waits for its database: `/healthz`, with a source of them `/metrics`, and 503 for
/// everything else, `/readyz` included. Request ids are made of `entropy`.
pub fn waiting_router(entropy: Arc<dyn Entropy>, metrics: Option<MetricsSource>) -> Router {
    let outages = rdev_webhooks_app::Outages::default();
    let observer = Observer { entropy, request_timeout: HEALTH_TIMEOUT, outages, limits: Arc::default() };
    observed(routes::waiting(metrics), observer)
}

/// The paths of every route, for tests that must leave none out.
#[doc(hidden)]
#[must_use]
pub fn route_paths() -> Vec<&'static str> {
    let metrics: MetricsSource = Arc::new(String::new);
    let all = [routes::guarded(), routes::open(Some(metrics)), routes::description()];
    all.into_iter().flat_map(|routes| routes.paths).collect()
}

/// What surrounds every route.
fn finished(routes: Router<Shared>, observer: Observer, services: Services) -> Router {
    let routes = routes
        .method_not_allowed_fallback(routes::fallback::method_not_allowed)
        .fallback(routes::fallback::no_such_path);
    observed(routes, observer).with_state(Shared::new(services))
}

fn observed<S: Clone + Send + Sync + 'static>(routes: Router<S>, observer: Observer) -> Router<S> {
    routes
        .layer(from_fn(observe::contain_panics))
        .layer(from_fn_with_state(Arc::new(observer), observe::observe))
}
