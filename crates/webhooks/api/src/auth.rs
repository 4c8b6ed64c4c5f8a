//! Authentication by the administrator key or by an API key that was created through the API.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use rdev_access::{ApiKeyHash, ApiKeySecret, ApiKeySecretError};
use rdev_access::{ApiKeys, AuthenticationError, Idempotency};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, ApiKeyId};
use secrecy::{ExposeSecret, SecretString};

use crate::caller::Once;
use crate::idempotency;
use rdev_http::Caller;
use rdev_http::body::linger;
use rdev_http::limits::Limits;
use rdev_http::{Problem, ProblemCode};

/// Authenticates callers by their keys.
struct Authenticator {
    /// Hash of the administrator key. Comparing hashes takes the same time for any input of any length.
    administrator: ApiKeyHash,
    access: Arc<Access>,
    api_keys: ApiKeys,
    limits: Arc<Limits>,
}

impl Authenticator {
    fn new(administrator: &SecretString, api_keys: ApiKeys, limits: Arc<Limits>) -> Self {
        Self {
            administrator: ApiKeyHash::of(administrator.expose_secret().as_bytes()),
            access: Arc::new(Access::administrator()),
            api_keys,
            limits,
        }
    }

    fn caller(&self, key: Option<ApiKeyId>, access: &Arc<Access>) -> Caller {
        Caller { key, access: Arc::clone(access), limits: Arc::clone(&self.limits) }
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

/// The state that authenticates callers of the guarded routes.
pub(crate) struct Gate {
    authenticator: Authenticator,
    idempotency: Idempotency,
}

impl Gate {
    pub(crate) fn new(administrator: &SecretString, services: &Services, limits: Arc<Limits>) -> Self {
        Self {
            authenticator: Authenticator::new(administrator, services.api_keys.clone(), limits),
            idempotency: services.idempotency.clone(),
        }
    }
}

/// Authenticates a request before any of its body is read.
///
/// # Errors
///
/// 401 if the request has no valid key.
pub(crate) async fn admit(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    match gate.authenticator.check(request.headers()).await {
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

/// Returns the hash of the key that an admitted request presented, so that its validity can be checked again.
pub(crate) fn presented(headers: &HeaderMap) -> Option<ApiKeyHash> {
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
