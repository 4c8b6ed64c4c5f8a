//! Authentication by the administrator key or by an API key that was created through the API, or by a hook; and
//! the scopes that routes require.

mod hook;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use rdev_access::{
    ApiKey, ApiKeyHash, ApiKeySecret, ApiKeySecretError, ApiKeys, AuthenticationError, Idempotency,
};
use rdev_core::{Access, ApiKeyId, Scope};
use secrecy::{ExposeSecret, SecretString};

use crate::body::linger;
use crate::idempotency::{self, Once};
use crate::limits::{Limits, Turn};
use crate::{Caller, Holder, Problem, ProblemCode, fallback};

pub use hook::{Authorized, Hook, Refusal};

/// Authenticates the callers of guarded routes.
pub struct Gate {
    authorization: Authorization,
    idempotency: Idempotency,
    limits: Arc<Limits>,
}

/// How callers are admitted.
enum Authorization {
    Keys(Box<Keys>),
    Hook(Hook),
}

/// What the options of an API say of its callers.
#[derive(Clone)]
pub enum AuthorizedBy {
    /// The administrator key, and the API keys that were created.
    Keys(SecretString),
    /// A function of the host.
    Hook(Hook),
}

impl AuthorizedBy {
    /// Returns the gate that admits these callers. All of them share `limits`.
    #[must_use]
    pub fn gate(self, api_keys: ApiKeys, idempotency: Idempotency, limits: Arc<Limits>) -> Arc<Gate> {
        Arc::new(match self {
            Self::Keys(key) => Gate::new(&key, api_keys, idempotency, limits),
            Self::Hook(hook) => Gate::authorized_by(hook, idempotency, limits),
        })
    }
}

/// The keys that are admitted.
struct Keys {
    /// Hash of the administrator key; `None` if the key is too short to be one. Comparing hashes takes the same
    /// time for any input of any length.
    administrator: Option<ApiKeyHash>,
    access: Arc<Access>,
    api_keys: ApiKeys,
}

/// The length of the shortest administrator key.
const MIN_ADMINISTRATOR_KEY: usize = 32;

impl Gate {
    /// Creates a gate that admits the administrator key and the API keys. All callers share `limits`. An
    /// administrator key of less than 32 characters is not admitted.
    #[must_use]
    pub fn new(
        administrator: &SecretString,
        api_keys: ApiKeys,
        idempotency: Idempotency,
        limits: Arc<Limits>,
    ) -> Self {
        let text = administrator.expose_secret();
        if text.len() < MIN_ADMINISTRATOR_KEY {
            tracing::error!("administrator key refused: it has less than {MIN_ADMINISTRATOR_KEY} characters");
        }
        let administrator = (text.len() >= MIN_ADMINISTRATOR_KEY).then(|| ApiKeyHash::of(text.as_bytes()));
        let keys = Keys { administrator, access: Arc::new(Access::administrator()), api_keys };
        Self { authorization: Authorization::Keys(Box::new(keys)), idempotency, limits }
    }

    /// Creates a gate that admits the callers that `hook` authorizes.
    #[must_use]
    pub fn authorized_by(hook: Hook, idempotency: Idempotency, limits: Arc<Limits>) -> Self {
        Self { authorization: Authorization::Hook(hook), idempotency, limits }
    }

    /// Authenticates each request to these routes before any of its body is read. A request that is not admitted
    /// gets 401, or the refusal of the hook.
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

    /// Returns whether callers are admitted by keys, and not by a hook.
    #[must_use]
    pub fn takes_keys(&self) -> bool {
        matches!(self.authorization, Authorization::Keys(_))
    }

    /// Returns the hash of the administrator key; `None` without one.
    #[must_use]
    pub fn administrator(&self) -> Option<ApiKeyHash> {
        match &self.authorization {
            Authorization::Keys(keys) => keys.administrator,
            Authorization::Hook(_) => None,
        }
    }

    /// Admits the holder of the key with this hash, as a session keeps it. Also returns the key; `None` stands for the
    /// administrator key.
    ///
    /// # Errors
    ///
    /// 401 if there is no such key, and the failure of the database.
    pub async fn admit_key(&self, hash: &ApiKeyHash) -> Result<(Caller, Option<Arc<ApiKey>>), Problem> {
        let Authorization::Keys(keys) = &self.authorization else {
            return Err(refusal("The API key does not exist or was deleted.", UNKNOWN));
        };
        let key = keys.find(hash).await?;
        let access = key.as_ref().map_or(&keys.access, |key| &key.access);
        Ok((self.caller(key.as_ref().map(|key| key.id), Arc::clone(access)), key))
    }

    /// Admits a request by the hook, and returns the caller with its name; `None` if callers are admitted by keys.
    ///
    /// # Errors
    ///
    /// The refusal of the hook.
    pub async fn admit_by_hook(&self, parts: &Parts) -> Option<Result<(Caller, Arc<str>), Problem>> {
        let Authorization::Hook(hook) = &self.authorization else { return None };
        let admitted = hook.call(parts).await;
        Some(admitted.map(|it| (self.caller(Some(it.caller), it.access), it.name)))
    }

    /// Lets a form that has an `Idempotency-Key` be executed once. Its refusals are not remembered: they are shown as
    /// pages, and a repetition is refused again.
    pub fn execute_once(&self, parts: &mut Parts) {
        if idempotency::concerns(&parts.method, &parts.headers) {
            parts.extensions.insert(Once { idempotency: self.idempotency.clone(), keeps_refusals: false });
        }
    }

    fn caller(&self, key: Option<ApiKeyId>, access: Arc<Access>) -> Caller {
        Caller { key, holder: Holder::of(key), access, limits: Arc::clone(&self.limits) }
    }

    fn anonymous(&self) -> Caller {
        let (access, limits) = (Arc::new(Access::everything().clone()), Arc::clone(&self.limits));
        Caller { key: None, holder: Holder::Anybody, access, limits }
    }

    async fn check(&self, parts: &Parts) -> Result<Caller, Problem> {
        let (key, access) = match &self.authorization {
            Authorization::Keys(keys) => keys.check(&parts.headers).await?,
            Authorization::Hook(hook) => {
                let Authorized { caller, access, .. } = hook.call(parts).await?;
                (Some(caller), access)
            }
        };
        Ok(self.caller(key, access))
    }
}

impl Keys {
    async fn check(&self, headers: &HeaderMap) -> Result<(Option<ApiKeyId>, Arc<Access>), Problem> {
        let text = bearer(headers)?;
        let hash = ApiKeyHash::of(text);
        if self.administrator != Some(hash) {
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
        }
        let found = self.find(&hash).await?;
        let access = found.as_ref().map_or(&self.access, |key| &key.access);
        Ok((found.as_ref().map(|key| key.id), Arc::clone(access)))
    }

    /// Returns the valid key with this hash; `None` stands for the administrator key.
    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<Arc<ApiKey>>, Problem> {
        if self.administrator == Some(*hash) {
            return Ok(None);
        }
        match self.api_keys.authenticate(hash).await {
            Ok(key) => Ok(Some(key)),
            Err(AuthenticationError::Unknown) => {
                Err(refusal("The API key does not exist or was deleted.", UNKNOWN))
            }
            Err(AuthenticationError::Expired) => Err(refusal("The API key has expired.", EXPIRED)),
            Err(AuthenticationError::Store(error)) => Err(error.into()),
            Err(other) => Err(Problem::internal().caused_by(other)),
        }
    }
}

/// What admits the client of a response that lasts, and is asked again meanwhile.
pub trait Admitted: Send + Sync + 'static {
    /// Returns whether the client would be admitted again with the same rights, as far as is known.
    fn holds(&self) -> impl Future<Output = bool> + Send;
}

/// The admission of a request whose response lasts, to be checked again meanwhile.
pub struct Admission {
    gate: Arc<Gate>,
    parts: Parts,
    access: Arc<Access>,
}

impl Admitted for Admission {
    async fn holds(&self) -> bool {
        match self.gate.check(&self.parts).await {
            Ok(caller) => caller.access == self.access,
            Err(refusal) => {
                !matches!(refusal.code().status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admission {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Caller { access, .. } = Caller::from_request_parts(parts, state).await?;
        let gate: Arc<Gate> = parts.extensions.get().cloned().ok_or_else(Problem::internal)?;
        Ok(Self { gate, parts: parts.clone(), access })
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
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let checked = gate.check(&parts).await;
    let mut request = Request::from_parts(parts, body);
    match checked {
        Ok(caller) => {
            if let (Some(id), Authorization::Keys(_)) = (caller.key, &gate.authorization) {
                tracing::Span::current().record("api_key", tracing::field::display(id));
            }
            if idempotency::concerns(request.method(), request.headers()) {
                let idempotency = gate.idempotency.clone();
                request.extensions_mut().insert(Once { idempotency, keeps_refusals: true });
            }
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(gate);
            Ok(next.run(request).await)
        }
        Err(refusal) => {
            linger(request);
            Err(refusal)
        }
    }
}

async fn recognize(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let checked = gate.check(&parts).await;
    let mut request = Request::from_parts(parts, body);
    let caller = match checked {
        Ok(caller) => caller,
        Err(refusal) if refusal.code().status() == StatusCode::UNAUTHORIZED => gate.anonymous(),
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
        let gate: Option<&Arc<Gate>> = request.extensions().get();
        let who = match gate.map(|gate| &gate.authorization) {
            Some(Authorization::Hook(_)) => "caller",
            _ => "API key",
        };
        let detail = format!("The {who} lacks the scope {scope}, which this request requires.");
        linger(request);
        return Err(Problem::new(ProblemCode::FORBIDDEN, detail));
    }
    let mut response = match request.extensions_mut().remove::<Once>() {
        Some(once) => idempotency::once(once, &caller, request, next).await?,
        None => next.run(request).await,
    };
    // The read permit is released only once the response has reserved its memory.
    let _turn = response.extensions_mut().remove::<Turn>();
    caller.limits.hold(caller.holder(), response).await
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
