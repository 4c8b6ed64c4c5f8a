//! The rights that a route requires.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use rdev_access::Idempotency;
use rdev_webhooks_app::Producer;
use rdev_webhooks_domain::Scope;

use crate::idempotency;
use crate::shared::Shared;
use rdev_http::Caller;
use rdev_http::body::linger;
use rdev_http::limits::Turn;
use rdev_http::{Problem, ProblemCode};

/// Returns a caller as a producer of events.
pub(crate) fn producer(caller: &Caller) -> Producer {
    let is_limited = caller.access.projects.is_some();
    Producer { key: caller.key, access: is_limited.then(|| Arc::clone(&caller.access)) }
}

/// Requires the scope for these methods; other callers get 403 before any of the body is read. Every guarded
/// route uses this function or [`any_key`].
pub(crate) fn needs(scope: Scope, methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods.route_layer(from_fn(move |caller: Caller, request: Request, next: Next| {
        admit(Some(scope.clone()), caller, request, next)
    }))
}

/// Admits any valid key to these methods, whatever its scopes.
pub(crate) fn any_key(methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods.route_layer(from_fn(|caller: Caller, request: Request, next: Next| {
        admit(None, caller, request, next)
    }))
}

async fn admit(
    scope: Option<Scope>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(scope) = scope.filter(|scope| !caller.access.allows(scope)) {
        linger(request);
        let detail = format!("The API key lacks the scope {scope}, which this request requires.");
        return Err(Problem::new(ProblemCode::FORBIDDEN, detail));
    }
    let mut response = match request.extensions_mut().remove::<Once>() {
        Some(Once(idempotency)) => idempotency::once(&idempotency, &caller, request, next).await?,
        None => next.run(request).await,
    };
    // The read permit is released only once the response has reserved its memory.
    let _turn = response.extensions_mut().remove::<Turn>();
    caller.limits.hold(caller.holder(), response).await
}

/// Request extension: the request has an `Idempotency-Key`, whatever its route.
#[derive(Clone)]
pub(crate) struct Once(pub(crate) Idempotency);
