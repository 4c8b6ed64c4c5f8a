//! `DELETE /event-types/{name}`: removes a registered event type. 204; 409 while a webhook subscribes to it
//! by its name, and for one that is built in.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;

use crate::path::PathName;
use crate::problem::Problem;

pub(crate) async fn delete(State(services): State<Services>, name: PathName) -> Result<StatusCode, Problem> {
    services.catalogue.remove(&name.of_something()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
