//! `GET /healthz` and `GET /readyz`.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use rdev_http::{Problem, ProblemCode};

/// The result of a successful check.
#[derive(Serialize, ToSchema)]
#[schema(as = HealthStatus)]
struct Status {
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

const OK: Status = Status { status: "ok" };

#[derive(OpenApi)]
#[openapi(paths(healthz, readyz))]
pub(super) struct Described;

/// Liveness probe
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    operation_id = "checkLiveness",
    responses((status = 200, description = "The process is alive.", body = Status))
)]
pub(crate) async fn healthz() -> Response {
    rdev_http::json(&OK)
}

/// Readiness probe
///
/// Fails once the process is stopping, while the database cannot be read or written, while the process's own worker
/// does not reach the queue, and once an essential task has failed.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "checkReadiness",
    responses((status = 200, description = "The process is ready.", body = Status))
)]
pub(crate) async fn readyz(State(services): State<Services>) -> Result<Response, Problem> {
    match services.readiness().check().await {
        Ok(()) => Ok(rdev_http::json(&OK)),
        Err(reason) => Err(Problem::new(ProblemCode::UNAVAILABLE, sentence(&reason.to_string()))),
    }
}

/// Returns an error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}
