//! Authentication by the administrator key or by an API key that was created through the API, and the scopes
//! that routes require.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use rdev_access::{ApiKeyHash, ApiKeySecret, ApiKeySecretError, ApiKeys, AuthenticationError, Idempotency};
use rdev_core::{Access, ApiKeyId, Scope};
use secrecy::{ExposeSecret, SecretString};

use crate::body::linger;
use crate::idempotency::{self, Once};
use crate::limits::{Limits, Turn};
use crate::{Caller, Holder, Problem, ProblemCode, fallback};

/// Authenticates the callers of guarded routes.
pub struct Gate {
    /// Hash of the administrator key. Comparing hashes takes the same time for any input of any length.
    administrator: ApiKeyHash,
    access: Arc<Access>,
    /// The access of a caller without a key, on routes that need none.
    anonymous: Arc<Access>,
    api_keys: ApiKeys,
    idempotency: Idempotency,
    limits: Arc<Limits>,
}

impl Gate {
    /// Creates a gate that admits the administrator key and the API keys. All callers share `limits`.
    #[must_use]
    pub fn new(
        administrator: &SecretString,
        api_keys: ApiKeys,
        idempotency: Idempotency,
        limits: Arc<Limits>,
    ) -> Self {
        Self {
            administrator: ApiKeyHash::of(administrator.expose_secret().as_bytes()),
            access: Arc::new(Access::administrator()),
            anonymous: Arc::new(Access::everything().clone()),
            api_keys,
            idempotency,
            limits,
        }
    }

    /// Authenticates each request to these routes before any of its body is read. A request without a valid
    /// key gets 401.
    pub fn guard<S: Clone + Send + Sync + 'static>(self: &Arc<Self>, routes: Router<S>) -> Router<S> {
        routes
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .route_layer(from_fn_with_state(Arc::clone(self), authenticate))
    }

    /// Admits requests to these routes with or without a valid key. Without one, the caller has no scope and sees
    /// everything; a project-scoped key restricts it to its projects.
    pub fn recognize<S: Clone + Send + Sync + 'static>(self: &Arc<Self>, routes: Router<S>) -> Router<S> {
        routes
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .route_layer(from_fn_with_state(Arc::clone(self), recognize))
    }

    fn caller(&self, key: Option<ApiKeyId>, access: &Arc<Access>) -> Caller {
        Caller { key, holder: Holder::of(key), access: Arc::clone(access), limits: Arc::clone(&self.limits) }
    }

    fn anonymous(&self) -> Caller {
        Caller { holder: Holder::Anybody, ..self.caller(None, &self.anonymous) }
    }

    async fn check(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let text = bearer(headers)?;
        let hash = ApiKeyHash::of(text);
        if hash == self.administrator {
            return Ok(self.caller(None, &self.access));
        }
        ApiKeySecret::check(text).map_err(|error| match error {
            ApiKeySecretError::Form => refusal(
                "The API key is malformed: it must be the administrator key, or `rdev_` and 39 letters and digits.",
                MALFORMED,
            ),
            ApiKeySecretError::Checksum => refusal(
                "The API key's checksum does not match: a character is wrong or missing.",
                MALFORMED,
            ),
        })?;
        match self.api_keys.authenticate(&hash).await {
            Ok(key) => Ok(self.caller(Some(key.id), &key.access)),
            Err(AuthenticationError::Unknown) => {
                Err(refusal("The API key does not exist or was deleted.", UNKNOWN))
            }
            Err(AuthenticationError::Expired) => Err(refusal("The API key has expired.", EXPIRED)),
            Err(AuthenticationError::Store(error)) => Err(error.into()),
            Err(other) => Err(Problem::internal().caused_by(other)),
        }
    }
}

const MISSING: HeaderValue = HeaderValue::from_static("Bearer");
const MALFORMED: HeaderValue =
    HeaderValue::from_static(r#"Bearer error="invalid_token", error_description="The API key is malformed""#);
const UNKNOWN: HeaderValue =
    HeaderValue::from_static(r#"Bearer error="invalid_token", error_description="The API key is unknown""#);
const EXPIRED: HeaderValue =
    HeaderValue::from_static(r#"Bearer error="invalid_token", error_description="The API key has expired""#);

async fn authenticate(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    match gate.check(request.headers()).await {
        Ok(caller) => {
            if let Some(id) = caller.key {
                tracing::Span::current().record("api_key", tracing::field::display(id));
            }
            if idempotency::concerns(request.method(), request.headers()) {
                request.extensions_mut().insert(Once(gate.idempotency.clone()));
            }
            request.extensions_mut().insert(caller);
            Ok(next.run(request).await)
        }
        Err(refusal) => {
            linger(request);
            Err(refusal)
        }
    }
}

async fn recognize(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = match gate.check(request.headers()).await {
        Ok(caller) => caller,
        Err(refusal) if refusal.code() == ProblemCode::UNAUTHENTICATED => gate.anonymous(),
        Err(failure) => return Err(failure),
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Requires the scope for these methods; other callers get 403 before any of the body is read. Every guarded
/// route uses this function or [`any_caller`].
pub fn needs<S: Clone + Send + Sync + 'static>(scope: Scope, methods: MethodRouter<S>) -> MethodRouter<S> {
    methods.route_layer(from_fn(move |caller: Caller, request: Request, next: Next| {
        admit(Some(scope.clone()), caller, request, next)
    }))
}

/// Admits every caller to these methods, whatever its scopes.
pub fn any_caller<S: Clone + Send + Sync + 'static>(methods: MethodRouter<S>) -> MethodRouter<S> {
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

/// Returns the hash of the key that an admitted request presented, so that its validity can be checked again.
#[must_use]
pub fn presented(headers: &HeaderMap) -> Option<ApiKeyHash> {
    bearer(headers).ok().map(ApiKeyHash::of)
}

fn bearer(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let value = match (sent.next(), sent.next()) {
        (None, _) => {
            let detail = "The API key is missing: send it as `Authorization: Bearer <key>`.";
            return Err(refusal(detail, MISSING));
        }
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => {
            return Err(refusal("The request has more than one Authorization header.", MISSING));
        }
    };
    let (scheme, key) = value.split_at_checked(7).unwrap_or((value, &[]));
    if scheme.eq_ignore_ascii_case(b"bearer ") {
        Ok(key.trim_ascii())
    } else {
        let detail = "The Authorization header must be `Bearer <key>`.";
        Err(refusal(detail, MISSING))
    }
}

fn refusal(detail: &'static str, challenge: HeaderValue) -> Problem {
    Problem::new(ProblemCode::UNAUTHENTICATED, detail).with_header(WWW_AUTHENTICATE, challenge)
}
