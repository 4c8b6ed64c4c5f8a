//! `Idempotency-Key` on every POST: a repeated request is executed once and gets the same response again.
//!
//! This layer stands before the routes. A route takes the operation's [`OperationIds`] and passes them to the
//! use case: an operation that is executed again with the same ids finds what it created.

mod answer;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, OriginalUri, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use rdev_access::ports::KeyEnd;
use rdev_access::{Begun, Fingerprint, Idempotency, Ids, OperationRun, RememberedAnswer};
use rdev_core::{IdempotencyKey, IdempotencyKeyError};
use tokio::time::Instant;
use tracing::Instrument;

use crate::body::{self, linger};
use crate::panics::contain_panics;
use crate::{Caller, Deadline, Faults, Problem, ProblemCode, RequestId, WRITE_TIMEOUT};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Response header that marks a repeated response.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// A request that is still in progress after this time was most likely interrupted.
const CUT_OFF_AFTER: Duration = Duration::from_secs(5);
/// A key is held for this much longer than its operation may take, so that the response can be recorded.
const MARGIN: Duration = Duration::from_secs(10);

/// The ids of what a request creates. A repeated request under an `Idempotency-Key` has the same ones.
pub struct OperationIds(pub Ids);

/// Request extension: the request has an `Idempotency-Key`, whatever its route.
#[derive(Clone)]
pub(crate) struct Once {
    pub(crate) idempotency: Idempotency,
    /// Whether a refused request gets the same refusal again, and is not executed again.
    pub(crate) keeps_refusals: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for OperationIds {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().copied().unwrap_or_else(Ids::fresh)))
    }
}

/// Returns whether a request is executed only once: a POST with an `Idempotency-Key`.
pub(crate) fn concerns(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && headers.contains_key(IDEMPOTENCY_KEY)
}

/// Answers a request that [`concerns`] accepts: executes it, repeats the recorded response, or refuses it.
pub(crate) async fn once(
    Once { idempotency, keeps_refusals }: Once,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = match key(caller, request.headers()) {
        Ok(key) => key,
        Err(problem) => {
            linger(request);
            return Err(problem);
        }
    };
    let (mut parts, body) = request.into_parts();
    let body = body::read_any(&mut parts, body).await?;
    let fingerprint = fingerprint(&parts, &body);
    let until =
        Deadline::of(&parts.extensions).map_or_else(Instant::now, |deadline| deadline.0) + WRITE_TIMEOUT;
    let lease_for = until.saturating_duration_since(Instant::now()) + MARGIN;
    let request = Request::from_parts(parts, Body::from(body));
    // A separate task, which neither a disconnected client nor the client's deadline ends: otherwise a key could stay
    // claimed without its operation, and an operation without its recorded response. It ends by itself at `until`.
    let answering = async move {
        match idempotency.begin(key, fingerprint, lease_for).await? {
            Begun::Run(run) => Ok(perform(run, request, next, until, keeps_refusals).await),
            Begun::Answered(remembered) => repeat(&remembered),
            Begun::OtherRequest => Err(reused()),
            Begun::InUse { for_at_most } => Err(in_use(retry_after(lease_for, for_at_most))),
        }
    };
    // The operation contains panics, so the task fails only with the whole process.
    tokio::spawn(answering.in_current_span()).await.map_err(|_| Problem::internal())?
}

fn repeat(remembered: &RememberedAnswer) -> Result<Response, Problem> {
    let mut response = answer::read(remembered).ok_or_else(Problem::internal)?;
    response.headers_mut().insert(REPLAYED, TRUE);
    Ok(response)
}

fn reused() -> Problem {
    let detail = "The Idempotency-Key was used for a different request. Use a new one.";
    Problem::new(ProblemCode::IDEMPOTENCY_KEY_REUSED, detail).in_header("Idempotency-Key")
}

fn in_use(retry_after: u64) -> Problem {
    let detail = "A request with this Idempotency-Key is being processed, or was interrupted. Repeat it after \
        Retry-After seconds: once the first request has a response, the repeat gets the same one; once \
        an interrupted request gives up its claim, the repeat is processed.";
    let problem = Problem::new(ProblemCode::IDEMPOTENCY_KEY_IN_USE, detail).in_header("Idempotency-Key");
    problem.with_header(RETRY_AFTER, HeaderValue::from(retry_after))
}

/// Returns the seconds after which a repetition is worthwhile. An operation normally takes less than a
/// second. One that takes longer than it should was most likely interrupted, and holds its key for the rest
/// of the lease.
fn retry_after(lease_for: Duration, for_at_most: Duration) -> u64 {
    if lease_for.saturating_sub(for_at_most) < CUT_OFF_AFTER {
        return 1;
    }
    let seconds = for_at_most.as_secs() + u64::from(for_at_most.subsec_nanos() > 0);
    seconds.max(1)
}

fn key(caller: &Caller, headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut sent = headers.get_all(IDEMPOTENCY_KEY).iter();
    let fault = match (sent.next(), sent.next()) {
        (Some(name), None) => match IdempotencyKey::new(caller.key, name.as_bytes()) {
            Ok(key) => return Ok(key),
            Err(fault @ IdempotencyKeyError) => fault.to_string(),
        },
        _ => "must be sent exactly once".to_owned(),
    };
    let mut faults = Faults::default();
    faults.in_header("Idempotency-Key", fault);
    Err(faults.into())
}

/// Returns the fingerprint of a request: method, target, version and body.
fn fingerprint(parts: &Parts, body: &[u8]) -> Fingerprint {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let condition = parts.headers.get(IF_MATCH).map_or(&[] as &[u8], HeaderValue::as_bytes);
    Fingerprint::of(&[parts.method.as_str().as_bytes(), target.as_bytes(), condition, body])
}

/// Executes the request, and records the response before it is sent.
async fn perform(
    run: OperationRun,
    mut request: Request,
    next: Next,
    until: Instant,
    keeps_refusals: bool,
) -> Response {
    let instance =
        crate::requested_path(request.extensions()).unwrap_or_else(|| request.uri().path().to_owned());
    let request_id = request.extensions().get::<RequestId>().cloned();
    request.extensions_mut().insert(run.ids());
    let answering = contain_panics(request, next);
    let Ok(response) = tokio::time::timeout_at(until, answering).await else {
        run.end(KeyEnd::Unsettled).await;
        return Problem::deadline_exceeded().into_response();
    };
    if let Some(end) = end_without_answer(response.status(), keeps_refusals) {
        run.end(end).await;
        return response;
    }
    // Problems are otherwise rendered by the outermost layer; rendering one here gives the same response.
    let problem = response.extensions().get::<Problem>().cloned();
    let whole = match &problem {
        Some(problem) => problem.render(&instance, request_id.as_ref().map_or("", RequestId::as_str)),
        None => response,
    };
    let Some((remembered, mut whole)) = answer::remember(whole).await else {
        run.end(KeyEnd::Unsettled).await;
        return Problem::internal().into_response();
    };
    run.end(KeyEnd::Answered(remembered)).await;
    if let Some(problem) = problem {
        whole.extensions_mut().insert(problem);
    }
    whole
}

/// Returns how a key ends whose response must not be repeated: the request was refused before it was
/// examined, or it failed, perhaps after the operation was executed.
fn end_without_answer(status: StatusCode, keeps_refusals: bool) -> Option<KeyEnd> {
    match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::TOO_MANY_REQUESTS => Some(KeyEnd::Undone),
        status if status.is_client_error() && !keeps_refusals => Some(KeyEnd::Undone),
        status if status.is_server_error() => Some(KeyEnd::Unsettled),
        _ => None,
    }
}
