//! Who is asking, and what that lets it do.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::request::Parts;
use rdev_webhooks_domain::{Access, ApiKeyId, Scope};

use crate::body::linger;
use crate::problem::{Problem, ProblemCode};
use crate::shared::Shared;

/// The caller of a guarded route, put into the request by [`crate::auth`].
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The API key that was brought; none for the bootstrap administrator's.
    pub(crate) key: Option<ApiKeyId>,
    /// What may be done with it, and what there is for it.
    pub(crate) access: Arc<Access>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller: Result<Extension<Self>, _> = Extension::from_request_parts(parts, state).await;
        // Only a route outside of the guarded ones has none.
        caller.map(|Extension(caller)| caller).map_err(|_| Problem::internal())
    }
}

/// Lets these methods be used by who has the scope only; others are 403. Every guarded route goes through
/// this.
pub(crate) fn needs(scope: Scope, methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods.route_layer(from_fn(move |caller: Caller, request: Request, next: Next| {
        admit(scope, caller, request, next)
    }))
}

/// Lets these methods be used with any key, whatever its scopes.
pub(crate) fn any_key(methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods
}

async fn admit(scope: Scope, caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    if caller.access.allows(scope) {
        return Ok(next.run(request).await);
    }
    linger(request);
    let detail = format!("This needs an API key with the scope {scope}, which yours has not.");
    Err(Problem::new(ProblemCode::Forbidden, detail))
}
