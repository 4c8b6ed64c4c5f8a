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
        /// The `code` of a problem: stable, so that programs can distinguish errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ProblemCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the member `code`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Returns the HTTP status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// Returns the member `title`.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// Returns the meaning, in a sentence or two.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }

            /// Returns the member `type`: a URN that identifies the kind of problem; it is not a link.
            #[must_use]
            pub const fn type_uri(self) -> &'static str {
                match self { $(Self::$variant => concat!("urn:rdev-webhooks:problem:", $code)),+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON, is empty, or is nested too deeply.
    MalformedJson = "malformed_json", BAD_REQUEST, "Malformed JSON";
    /// The body ended before its announced length, or its framing is broken.
    IncompleteBody = "incomplete_body", BAD_REQUEST, "Incomplete body";
    /// The API key is missing or invalid.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "Missing or invalid API key";
    /// The API key lacks the required scope.
    Forbidden = "forbidden", FORBIDDEN, "Forbidden";
    /// The path or the resource does not exist.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The path does not support the method. `Allow` lists the methods that it supports.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The client took too long to send the body.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request timeout";
    /// The delivery is being sent.
    DeliveryInFlight = "delivery_in_flight", CONFLICT, "Delivery in flight";
    /// The delivery has ended.
    DeliveryFinished = "delivery_finished", CONFLICT, "Delivery finished";
    /// The webhook is disabled and receives nothing.
    WebhookDisabled = "webhook_disabled", CONFLICT, "Webhook disabled";
    /// The webhook was deleted.
    WebhookDeleted = "webhook_deleted", CONFLICT, "Webhook deleted";
    /// A request with the same `Idempotency-Key` is being processed.
    IdempotencyKeyInUse = "idempotency_key_in_use", CONFLICT, "Idempotency key in use";
    /// The `Idempotency-Key` was used for a different request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key reused";
    /// The event type is built in and cannot be changed.
    EventTypeBuiltIn = "event_type_built_in", CONFLICT, "Event type built in";
    /// A webhook subscribes to the event type by name.
    EventTypeSubscribed = "event_type_subscribed", CONFLICT, "Event type in use";
    /// The maximum number of event types is registered.
    TooManyEventTypes = "too_many_event_types", CONFLICT, "Too many event types";
    /// Another replay of the webhook is running.
    ReplayRunning = "replay_running", CONFLICT, "Replay running";
    /// The replay has ended and cannot be cancelled.
    ReplayEnded = "replay_ended", CONFLICT, "Replay ended";
    /// `If-Match` does not match the webhook's current version.
    VersionMismatch = "version_mismatch", PRECONDITION_FAILED, "Version mismatch";
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Body too large";
    /// The body's media type or encoding is not supported.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The request is well-formed but invalid. `errors` names every fault.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "Validation failed";
    /// The service failed unexpectedly.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The database is unreachable, or the service is overloaded or stopping. Retry later.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Service unavailable";
    /// The service took too long. The request may have been carried out. Retry it.
    DeadlineExceeded = "deadline_exceeded", SERVICE_UNAVAILABLE, "Deadline exceeded";
}

/// An error on its way to the client. [`crate::observe`] renders it, because the request's id and path are
/// available only there.
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

/// Seconds after which a client should try again.
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

    /// Returns an internal error; only the log has the cause.
    pub(crate) fn internal() -> Self {
        let detail = "The service's log has the cause.";
        Self::new(ProblemCode::InternalError, detail)
    }

    /// Locates the problem in a request header.
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

    /// Attaches the cause, for the log.
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

    /// Renders the response.
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
        // Serialising strings and a number cannot fail.
        let body = serde_json::to_vec(&members).unwrap_or_default();
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
pub(crate) struct Members<'a> {
    /// A URN that identifies the kind of problem. It is not a link.
    #[schema(pattern = "^urn:rdev-webhooks:problem:[a-z_]+$")]
    pub(crate) r#type: &'a str,
    /// The kind of problem, for people.
    pub(crate) title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub(crate) status: u16,
    /// What is wrong with this request, for people.
    pub(crate) detail: &'a str,
    /// The path of the request.
    pub(crate) instance: &'a str,
    #[schema(value_type = ProblemCode)]
    pub(crate) code: &'a str,
    /// The response's `x-request-id`. The service's log identifies the request by it.
    pub(crate) request_id: &'a str,
    /// The faults in the request, each with its place; at most 100.
    pub(crate) errors: &'a [Fault],
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
