//! `GET /healthz` and `GET /readyz`.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::problem::{Problem, ProblemCode};
use crate::views;

/// What the checks find, if it is well.
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

/// Tell that the process lives
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    operation_id = "checkLiveness",
    responses((status = 200, description = "It does.", body = Status))
)]
pub(crate) async fn healthz() -> Response {
    views::json(&OK)
}

/// Tell whether the process can do its work
///
/// It cannot once it has been told to stop, while its database cannot be read and written, while a worker that runs here does not get to look at the
/// queue, or once a task has failed that it cannot do without.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "checkReadiness",
    responses((status = 200, description = "It can.", body = Status))
)]
pub(crate) async fn readyz(State(services): State<Services>) -> Result<Response, Problem> {
    match services.readiness().check().await {
        Ok(()) => Ok(views::json(&OK)),
        Err(reason) => Err(Problem::new(ProblemCode::Unavailable, sentence(&reason.to_string()))),
    }
}

/// An error's words as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}
