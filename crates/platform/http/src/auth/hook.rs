//! Authorization by a function of the service that mounts the API.

use std::borrow::Cow;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use rdev_core::id::{Uuid, derive};
use rdev_core::{Access, ApiKeyId, Scope};
use tokio::time::Instant;

use crate::{Deadline, Problem, ProblemCode};

/// The longest duration of an authorization outside a request with a deadline.
const MAX_DURATION: Duration = Duration::from_secs(5);

const RESTRICTED_ADMINISTRATOR: &str = "the authorization hook restricted an administrator to projects";

const UNAUTHENTICATED: ProblemCode = ProblemCode::new(
    ProblemCode::UNAUTHENTICATED.as_str(),
    StatusCode::UNAUTHORIZED,
    "Unauthenticated",
    "The service does not know the caller.",
);

type Authorize = dyn Fn(Parts) -> BoxFuture<'static, Result<Authorized, Refusal>> + Send + Sync;

/// A function that authorizes requests in place of API keys. Cheap to clone.
#[derive(Clone)]
pub struct Hook(Arc<Authorize>);

/// An authorized caller.
#[derive(Debug, Clone)]
pub struct Authorized {
    pub(super) caller: ApiKeyId,
    pub(super) name: Arc<str>,
    pub(super) access: Arc<Access>,
}

/// The reason why a request is not authorized, which its client gets as a problem document.
#[derive(Debug, Clone)]
pub struct Refusal {
    code: ProblemCode,
    detail: Cow<'static, str>,
    challenge: Option<HeaderValue>,
}

impl Authorized {
    /// Creates a caller with its access. Requests with the same name share the limits of one API key and the
    /// idempotency keys; the name can be any text, such as the id of a user.
    #[must_use]
    pub fn new(name: impl AsRef<str>, access: Access) -> Self {
        let name = name.as_ref();
        let caller = ApiKeyId::from_uuid(derive(Uuid::nil(), name.as_bytes()));
        Self { caller, name: name.into(), access: Arc::new(access) }
    }
}

impl Refusal {
    /// Creates the refusal of an unknown caller: 401 `unauthenticated`, with the challenge `Bearer`.
    #[must_use]
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        let challenge = Some(HeaderValue::from_static("Bearer"));
        Self { code: UNAUTHENTICATED, detail: detail.into(), challenge }
    }

    /// Creates the refusal of a known caller: 403 `forbidden`.
    #[must_use]
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: ProblemCode::FORBIDDEN, detail: detail.into(), challenge: None }
    }

    /// Creates the refusal of a caller that cannot be checked at present: 503 `unavailable`.
    #[must_use]
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: ProblemCode::UNAVAILABLE, detail: detail.into(), challenge: None }
    }

    /// Sets the response header `WWW-Authenticate`.
    #[must_use]
    pub fn with_challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }
}

impl From<Refusal> for Problem {
    fn from(Refusal { code, detail, challenge }: Refusal) -> Self {
        let problem = Self::new(code, detail);
        match challenge {
            Some(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
            None => problem,
        }
    }
}

impl Hook {
    /// Creates a hook from an async function of a request's head.
    pub fn new<F, R>(authorize: F) -> Self
    where
        F: Fn(Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Authorized, Refusal>> + Send + 'static,
    {
        Self(Arc::new(move |parts| authorize(parts).boxed()))
    }

    /// Authorizes a request by its deadline. A panic or a late answer authorizes nothing.
    pub(super) async fn call(&self, parts: &Parts) -> Result<Authorized, Problem> {
        let until = Instant::now() + MAX_DURATION;
        let until =
            Deadline::of(&parts.extensions).filter(|it| it.0 > Instant::now()).map_or(until, |it| it.0);
        // The call itself may panic too, before it returns a future.
        let authorizing = async { (self.0)(parts.clone()).await };
        let authorizing = AssertUnwindSafe(authorizing).catch_unwind();
        let Ok(ended) = tokio::time::timeout_at(until, authorizing).await else {
            let detail = "The authorization took too long. Nothing was carried out. Try again.";
            return Err(Problem::new(ProblemCode::DEADLINE_EXCEEDED, detail));
        };
        let Ok(answer) = ended else {
            tracing::error!("authorization hook panicked");
            return Err(Problem::internal());
        };
        let authorized = answer?;
        // The API keys and the event types have no project, so an administrator is never restricted.
        if authorized.access.projects.is_some() && authorized.access.scopes.contains(&Scope::ADMIN) {
            return Err(Problem::internal().caused_by(std::io::Error::other(RESTRICTED_ADMINISTRATOR)));
        }
        Ok(authorized)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
