//! The REST API of the command runner, over axum: projects, commands, their events, credentials, providers, and templates.
//!
//! [`router`] builds it from [`Services`]. An application merges that router with the one of the webhooks' API, which
//! has the fallback, and the routes for API keys, health and metrics. Each has its own description: `/openapi.json` is the
//! webhooks', and `/openapi-runner.json` this one's:
//!
//! ```no_run
//! # fn nest(webhooks: axum::Router, services: rdev_runner_api::Services) {
//! # let (entropy, options) = (rdev_app::Ambient::system().entropy, rdev_runner_api::ApiOptions::new("key".into()));
//! let router: axum::Router = webhooks.merge(rdev_runner_api::router(services, entropy, options));
//! # }
//! ```
//!
//! Errors, lists, entity tags and idempotency keys are those of the webhooks' API.

pub mod codes;
mod failure;
mod keys;
mod openapi;
mod options;
mod path;
mod routes;
mod schema_types;
mod views;

use std::sync::Arc;

use rdev_core::Entropy;
use rdev_http::auth::Gate;
use rdev_http::limits::Limits;
use rdev_http::{Observer, fallback};

/// The router type, which [`router`] returns.
pub use axum::Router;
pub use openapi::{description, openapi_json};
pub use options::ApiOptions;
pub use rdev_runner_app::Services;

/// Builds the API as a service: all routes, authentication and error handling. It has no fallback.
///
/// The router does no I/O itself; all reads and writes go through `services`. `entropy` generates the request ids.
pub fn router<S>(services: Services, entropy: Arc<dyn Entropy>, options: ApiOptions) -> Router<S> {
    let ApiOptions { api_key, request_timeout } = options;
    let limits = Arc::new(Limits::default());
    let (api_keys, idempotency) = (services.api_keys.clone(), services.idempotency.clone());
    let gate = Arc::new(Gate::new(&api_key, api_keys, idempotency, Arc::clone(&limits)));
    let observer = Observer {
        entropy,
        request_timeout,
        outages: services.outages.clone(),
        limits,
        histogram: "rdev_runner_http_request_duration_seconds",
    };
    let routes = gate.guard(routes::guarded().router).merge(open().router);
    let routes = routes.method_not_allowed_fallback(fallback::method_not_allowed);
    observer.observe(routes).with_state(services)
}

/// Returns the routes that require no key.
fn open() -> routes::Routes {
    routes::Routes::default().route("/openapi-runner.json", axum::routing::get(openapi::show))
}

/// Returns the paths of all routes, so that tests can cover every one.
#[doc(hidden)]
#[must_use]
pub fn route_paths() -> Vec<&'static str> {
    [routes::guarded(), open()].into_iter().flat_map(|routes| routes.paths).collect()
}
