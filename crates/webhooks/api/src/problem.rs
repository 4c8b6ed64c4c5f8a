//! Errors as RFC 9457 problems.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::fault::{Fault, Place};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// The `code` of a problem: stable, for programs to tell errors apart by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ProblemCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The text of the member `code`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The status that it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// The text of the member `title`.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// The member `type`: a URN that names the kind of problem; it is not a link.
            #[must_use]
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:rdev-webhooks:problem:", $code)),+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON, is empty, or is nested too deep.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not valid JSON";
    /// The body ended before its announced length, or its framing is broken.
    IncompleteBody = "incomplete_body", BAD_REQUEST, "The body did not arrive whole";
    /// There is no API key, or one that is not valid.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A valid API key is needed";
    /// The API key lacks the scope that is needed.
    Forbidden = "forbidden", FORBIDDEN, "The API key may not do this";
    /// No such path, or nothing with that id.
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    /// The path does not take that method; `Allow` lists those that it takes.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// The client took too long to send its body.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The delivery is being sent at this moment.
    DeliveryInFlight = "delivery_in_flight", CONFLICT, "The delivery is in flight";
    /// The delivery has ended.
    DeliveryFinished = "delivery_finished", CONFLICT, "The delivery has ended";
    /// The webhook is disabled, and is sent nothing.
    WebhookDisabled = "webhook_disabled", CONFLICT, "The webhook is disabled";
    /// The webhook is gone.
    WebhookDeleted = "webhook_deleted", CONFLICT, "The webhook was deleted";
    /// The same request, under the same `Idempotency-Key`, is being answered at this moment.
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, "The idempotency key is in use";
    /// The `Idempotency-Key` was sent with another request before.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key belongs to another request";
    /// The event type is built in, and stays as it is.
    EventTypeBuiltIn = "event_type_built_in", CONFLICT, "The event type is built in";
    /// A webhook subscribes to the event type by its name.
    EventTypeSubscribed = "event_type_subscribed", CONFLICT, "The event type is subscribed to";
    /// There are as many event types as there can be.
    TooManyEventTypes = "too_many_event_types", CONFLICT, "There are too many event types";
    /// Another replay of the webhook is running.
    ReplayRunning = "replay_running", CONFLICT, "A replay is running";
    /// The replay has ended, and cannot be cancelled.
    ReplayEnded = "replay_ended", CONFLICT, "The replay has ended";
    /// `If-Match` names another version than the current one.
    VersionMismatch = "version_mismatch", PRECONDITION_FAILED, "The webhook has another version";
    /// The body is over the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body's media type or encoding is not one that is read here.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// The request is well-formed and wrong; `errors` says where.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "The request has faults";
    /// A failure of ours.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Something went wrong on our side";
    /// The database cannot be reached, or there is too much to do. Worth another try.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The service is unavailable";
    /// We took too long. Worth another try; what was asked for may have been done.
    DeadlineExceeded = "deadline_exceeded", SERVICE_UNAVAILABLE, "The request took too long to answer";
}

/// An error that is on its way out. [`crate::observe`] renders it, since only there the request's id
/// and path are at hand.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    code: ProblemCode,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    headers: HeaderMap,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// How long a client is asked to wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut headers = HeaderMap::new();
        if code.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        Self(Box::new(Inner { code, detail: detail.into(), faults: Vec::new(), headers, cause: None }))
    }

    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    /// A failure of ours whose particulars are for the log alone.
    pub(crate) fn internal() -> Self {
        let detail = "The cause is in the log of the service.";
        Self::new(ProblemCode::InternalError, detail)
    }

    /// The problem of a request header.
    pub(crate) fn in_header(mut self, name: &'static str) -> Self {
        let detail = self.0.detail.to_string();
        let place = Place::Header(name);
        self.0.faults.push(Fault { place, detail });
        self
    }

    pub(crate) fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.0.faults = faults;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Keeps what went wrong for the log.
    pub(crate) fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    pub(crate) fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// The answer that tells it.
    pub(crate) fn render(&self, instance: &str, request_id: &str) -> Response {
        let inner = &*self.0;
        let members = Members {
            r#type: inner.code.type_uri(),
            title: inner.code.title(),
            status: inner.code.status().as_u16(),
            detail: &inner.detail,
            instance,
            code: inner.code.as_str(),
            request_id,
            errors: &inner.faults,
        };
        // A struct of texts and a number has no way to fail.
        let body = serde_json::to_vec(&members).unwrap_or_default();
        let mut response = (inner.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.extend(inner.headers.clone());
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        response
    }
}

/// An error as RFC 9457 tells it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Members<'a> {
    /// A URN that names the kind of problem; it is not a link.
    #[schema(pattern = "^urn:rdev-webhooks:problem:[a-z_]+$")]
    pub(crate) r#type: &'a str,
    /// The kind of problem for people.
    pub(crate) title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What is wrong this time, for people.
    pub(crate) detail: &'a str,
    /// The path that was asked for.
    pub(crate) instance: &'a str,
    #[schema(value_type = ProblemCode)]
    pub(crate) code: &'a str,
    /// The answer's `x-request-id`, by which the service's log names the request.
    pub(crate) request_id: &'a str,
    /// Every fault of the request, each with its place; the first 100 of them.
    pub(crate) errors: &'a [Fault],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
