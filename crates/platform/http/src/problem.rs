//! Errors as RFC 9457 problems.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use rdev_core::StoreError;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::fault::{Fault, Faults, MAX_LISTED, Place};

/// The kind of a problem: stable, so that programs can distinguish errors. Each API adds its own kinds to the
/// general ones with [`problem_codes!`](crate::problem_codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProblemCode {
    code: &'static str,
    status: StatusCode,
    title: &'static str,
    meaning: &'static str,
    namespace: &'static str,
}

impl ProblemCode {
    /// Creates a code. `code` is in lower case with underscores; `meaning` is a sentence or two.
    #[must_use]
    pub const fn new(
        code: &'static str,
        status: StatusCode,
        title: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { code, status, title, meaning, namespace: GENERAL_NAMESPACE }
    }

    /// Returns the code with a `type` that begins with `urn:NAMESPACE:problem:`.
    #[must_use]
    pub const fn within(self, namespace: &'static str) -> Self {
        Self { namespace, ..self }
    }

    /// Returns the member `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.code
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.status
    }

    /// Returns the member `title`.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.title
    }

    /// Returns the meaning, in a sentence or two.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.meaning.trim_ascii()
    }

    /// Returns the member `type`: a URN that identifies the kind of problem; it is not a link.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("urn:{}:problem:{}", self.namespace, self.code)
    }
}

/// The namespace of a kind of problem that names no other.
const GENERAL_NAMESPACE: &str = "rdev-webhooks";

/// Defines constants of [`ProblemCode`], each as `NAME = "code", STATUS, "Title";` under a doc comment, which is
/// its meaning, after the list of them all, as `const LIST;`, or `const LIST in "namespace";` where their `type` has
/// [another namespace](ProblemCode::within) than the general ones.
#[macro_export]
macro_rules! problem_codes {
    (
        $(#[doc = $about:literal])+ const $list:ident;
        $($codes:tt)+
    ) => {
        $crate::problem_codes! { $(#[doc = $about])+ const $list in "rdev-webhooks"; $($codes)+ }
    };
    (
        $(#[doc = $about:literal])+ const $list:ident in $namespace:literal;
        $($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal;)+
    ) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $crate::ProblemCode = $crate::ProblemCode::new(
                $code, $crate::StatusCode::$status, $title, concat!($($doc),+),
            ).within($namespace);
        )+

        $(#[doc = $about])+
        pub const $list: &[$crate::ProblemCode] = &[
            $($crate::ProblemCode::new($code, $crate::StatusCode::$status, $title, concat!($($doc),+))
                .within($namespace)),+
        ];
    };
}

impl ProblemCode {
    problem_codes! {
        /// The general kinds of problems, which a response of every API may contain.
        const GENERAL;

        /// The body is not JSON, is empty, or is nested too deeply.
        MALFORMED_JSON = "malformed_json", BAD_REQUEST, "Malformed JSON";
        /// The body ended before its announced length, or its framing is broken.
        INCOMPLETE_BODY = "incomplete_body", BAD_REQUEST, "Incomplete body";
        /// The API key is missing or invalid.
        UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, "Missing or invalid API key";
        /// The API key lacks the required scope.
        FORBIDDEN = "forbidden", FORBIDDEN, "Forbidden";
        /// The path or the resource does not exist.
        NOT_FOUND = "not_found", NOT_FOUND, "Not found";
        /// The path does not support the method. `Allow` lists the methods that it supports.
        METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
        /// The client took too long to send the body.
        REQUEST_TIMEOUT = "request_timeout", REQUEST_TIMEOUT, "Request timeout";
        /// A request with the same `Idempotency-Key` is being processed.
        IDEMPOTENCY_KEY_IN_USE = "idempotency_key_in_use", CONFLICT, "Idempotency key in use";
        /// The `Idempotency-Key` was used for a different request.
        IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key reused";
        /// `If-Match` does not match the resource's current version.
        VERSION_MISMATCH = "version_mismatch", PRECONDITION_FAILED, "Version mismatch";
        /// The body is larger than the limit.
        BODY_TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE, "Body too large";
        /// The body's media type or encoding is not supported.
        UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
        /// The request is well-formed but invalid. `errors` names every fault.
        VALIDATION_FAILED = "validation_failed", UNPROCESSABLE_ENTITY, "Validation failed";
        /// The service failed unexpectedly.
        INTERNAL_ERROR = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
        /// The database is unreachable, or the service is overloaded or stopping. Retry later.
        UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "Service unavailable";
        /// The service took too long. The request may have been carried out. Retry it.
        DEADLINE_EXCEEDED = "deadline_exceeded", SERVICE_UNAVAILABLE, "Deadline exceeded";
    }
}

/// An error on its way to the client. [`Problem::render`] renders it, because the request's id and path are
/// available only there.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: ProblemCode,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    headers: HeaderMap,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// Seconds after which a client should try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Problem {
    /// Creates a problem with a sentence that says what is wrong. A 503 tells the client to retry after a second.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut headers = HeaderMap::new();
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        Self(Box::new(Inner { code, detail: detail.into(), faults: Vec::new(), headers, cause: None }))
    }

    /// Creates a 404.
    #[must_use]
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::NOT_FOUND, detail)
    }

    /// Returns an internal error; only the log has the cause.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "The service's log has the cause.";
        Self::new(ProblemCode::INTERNAL_ERROR, detail)
    }

    /// Returns the problem of a request that was not processed by its deadline.
    #[must_use]
    pub fn deadline_exceeded() -> Self {
        let detail = "The request was not processed in time; it may have been carried out.";
        Self::new(ProblemCode::DEADLINE_EXCEEDED, detail)
    }

    /// Locates the problem in a request header.
    #[must_use]
    pub fn in_header(mut self, name: &'static str) -> Self {
        let detail = self.0.detail.to_string();
        let place = Place::Header(name);
        self.0.faults.push(Fault { place, detail });
        self
    }

    /// Adds the faults of the request.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.0.faults = faults;
        self
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Attaches the cause, for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// Returns the cause, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// Returns the sentence that says what is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the faults of the request.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// Returns the headers of the response.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Returns the kind of the problem.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// Renders the response.
    #[must_use]
    pub fn render(&self, instance: &str, request_id: &str) -> Response {
        let inner = &*self.0;
        let body = ProblemBody {
            r#type: &inner.code.type_uri(),
            title: inner.code.title(),
            status: inner.code.status().as_u16(),
            detail: &inner.detail,
            instance,
            code: inner.code.as_str(),
            request_id,
            errors: &inner.faults,
        };
        // Serialising strings and a number cannot fail.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (inner.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.extend(inner.headers.clone());
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        response
    }
}

/// An error, by RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// A URN that identifies the kind of problem. It is not a link.
    #[schema(pattern = "^urn:rdev-(webhooks|runner):problem:[a-z_]+$")]
    pub r#type: &'a str,
    /// The kind of problem, for people.
    pub title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: &'a str,
    /// The path of the request.
    pub instance: &'a str,
    #[expect(missing_docs, reason = "the description of the API refers to that of `ProblemCode`")]
    #[schema(value_type = ProblemCode)]
    pub code: &'a str,
    /// The response's `x-request-id`. The service's log identifies the request by it.
    pub request_id: &'a str,
    /// The faults in the request, each with its place; at most 100.
    pub errors: &'a [Fault],
}

/// Response extension: the response already shows its [`Problem`], which is only to be logged.
#[derive(Debug, Clone, Copy)]
pub struct Rendered;

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Problem {
    /// Returns the problem of a failed database, without its cause.
    #[must_use]
    pub fn from_store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                let detail = "The database did not respond, so the outcome of the request is unknown. Retry with the \
                    same Idempotency-Key or the same event id, so that it is not carried out twice.";
                Self::new(ProblemCode::UNAVAILABLE, detail)
            }
            StoreError::Corrupt { table, column, id, .. } => {
                let detail = format!(
                    "{table}.{column} of {id} is damaged in the database and cannot be read. Nothing else is affected."
                );
                Self::new(ProblemCode::INTERNAL_ERROR, detail)
            }
            _ => Self::internal(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from_store(&error).caused_by(error)
    }
}

impl PartialSchema for ProblemCode {
    /// Describes a string without an enumeration, so that a client accepts the codes of later versions.
    fn schema() -> RefOr<Schema> {
        let code = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[a-z_]+$"));
        code.description(Some("The machine-readable kind of problem.")).into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

impl Faults {
    /// Fails if there are any faults.
    ///
    /// # Errors
    ///
    /// 422 with all of them.
    pub fn check(self) -> Result<(), Problem> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let found = faults.listed.len() + faults.unlisted;
        let detail = match faults.listed.as_slice() {
            [one] => format!("{}: {}", one.place.as_str(), one.detail),
            _ if faults.unlisted == 0 => format!("The request has {found} faults; `errors` lists them."),
            _ => format!("The request has {found} faults; `errors` lists the first {MAX_LISTED}."),
        };
        Self::new(ProblemCode::VALIDATION_FAILED, detail).with_faults(faults.listed)
    }
}
