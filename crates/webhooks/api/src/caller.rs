//! The caller of a request and its rights.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::request::Parts;
use rdev_webhooks_app::{Idempotency, Producer};
use rdev_webhooks_domain::{Access, ApiKeyId, Scope};

use crate::body::linger;
use crate::idempotency;
use crate::limits::{Limits, Turn};
use crate::shared::Shared;
use rdev_http::Holder;
use rdev_http::{Problem, ProblemCode};

/// The caller of a guarded route, which [`crate::auth`] inserts into the request.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The API key; `None` for the administrator key.
    pub(crate) key: Option<ApiKeyId>,
    /// The scopes of the key and the projects that it may see.
    pub(crate) access: Arc<Access>,
    /// The limits that all callers share.
    pub(crate) limits: Arc<Limits>,
}

impl Caller {
    /// Returns the holder whose shares the caller's requests use.
    pub(crate) fn holder(&self) -> Holder {
        Holder::of(self.key)
    }
}

impl Caller {
    /// Returns the caller as a producer of events.
    pub(crate) fn producer(&self) -> Producer {
        let is_limited = self.access.projects.is_some();
        Producer { key: self.key, access: is_limited.then(|| Arc::clone(&self.access)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller: Result<Extension<Self>, _> = Extension::from_request_parts(parts, state).await;
        // Only an unguarded route has no caller.
        caller.map(|Extension(caller)| caller).map_err(|_| Problem::internal())
    }
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
