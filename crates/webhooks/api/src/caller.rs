//! Who is asking, and what that lets it do.

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
use crate::problem::{Problem, ProblemCode};
use crate::shared::Shared;
use crate::shares::Holder;

/// The caller of a guarded route, put into the request by [`crate::auth`].
#[derive(Clone)]
pub(crate) struct Caller {
    /// The API key that was brought; none for the bootstrap administrator's.
    pub(crate) key: Option<ApiKeyId>,
    /// What may be done with it, and what there is for it.
    pub(crate) access: Arc<Access>,
    /// What it shares with others.
    pub(crate) limits: Arc<Limits>,
}

impl Caller {
    /// Whose shares its requests take.
    pub(crate) fn holder(&self) -> Holder {
        Holder::of(self.key)
    }
}

impl Caller {
    /// The caller as a producer of events.
    pub(crate) fn producer(&self) -> Producer {
        let is_limited = self.access.projects.is_some();
        Producer { key: self.key, access: is_limited.then(|| Arc::clone(&self.access)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller: Result<Extension<Self>, _> = Extension::from_request_parts(parts, state).await;
        // Only a route outside of the guarded ones has none.
        caller.map(|Extension(caller)| caller).map_err(|_| Problem::internal())
    }
}

/// Lets these methods be used by who has the scope only; others are 403, before anything of the body is read. Every
/// guarded route goes through this or through [`any_key`].
pub(crate) fn needs(scope: Scope, methods: MethodRouter<Shared>) -> MethodRouter<Shared> {
    methods.route_layer(from_fn(move |caller: Caller, request: Request, next: Next| {
        admit(Some(scope.clone()), caller, request, next)
    }))
}

/// Lets these methods be used with any key, whatever its scopes.
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
        return Err(Problem::new(ProblemCode::Forbidden, detail));
    }
    let mut response = match request.extensions_mut().remove::<Once>() {
        Some(Once(idempotency)) => idempotency::once(&idempotency, &caller, request, next).await?,
        None => next.run(request).await,
    };
    // Others may read only once the room for this answer is taken.
    let _turn = response.extensions_mut().remove::<Turn>();
    caller.limits.hold(caller.holder(), response).await
}

/// On a request that is to be done once, whatever it is.
#[derive(Clone)]
pub(crate) struct Once(pub(crate) Idempotency);
