//! `GET /healthz` and `GET /readyz`.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::problem::{Problem, ProblemCode};
use crate::views;

/// How long the database may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

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
/// It cannot while its database does not answer, while a worker that runs here does not get to look at the
/// queue, or once a task has failed that it cannot do without.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "checkReadiness",
    responses((status = 200, description = "It can.", body = Status))
)]
pub(crate) async fn readyz(State(services): State<Services>) -> Result<Response, Problem> {
    if services.heartbeat.failed().is_cancelled() {
        let detail = "A task has ended that this process cannot do without.";
        return Err(Problem::new(ProblemCode::Unavailable, detail));
    }
    if let Some(silent) = services.heartbeat.late_by() {
        let detail = format!("The worker has not looked at the queue for {} s.", silent.as_secs());
        return Err(Problem::new(ProblemCode::Unavailable, detail));
    }
    match tokio::time::timeout(CHECK_TIMEOUT, services.queue.check()).await {
        Ok(Ok(())) => Ok(views::json(&OK)),
        Ok(Err(error)) => {
            let detail = format!("The database cannot be used: {error}.");
            Err(Problem::new(ProblemCode::Unavailable, detail).caused_by(error))
        }
        Err(_) => {
            let detail = "The database did not answer within 2 s.";
            tracing::error!("{detail}");
            Err(Problem::new(ProblemCode::Unavailable, detail))
        }
    }
}
