//! `DELETE /credentials/{name}`: deletes a credential with all its values. 204.

use axum::extract::State;
use http::StatusCode;
use rdev_http::Caller;

use super::path::PathCredential;
use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;

/// Delete a credential
///
/// Deletes all its values; the record of its uses stays. Runs that have it go on, and commands that wait for it fail.
#[utoipa::path(
    delete,
    path = "/credentials/{name}",
    tag = "credentials",
    operation_id = "deleteCredential",
    security(("api_key" = ["credentials:write"])),
    params(("name" = types::SecretName, Path)),
    responses((status = 204, description = "The credential was deleted."))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    caller: Caller,
    PathCredential(name): PathCredential,
) -> Result<StatusCode, Failure> {
    services.credentials.delete(&caller.access, &name, caller.key).await?;
    Ok(StatusCode::NO_CONTENT)
}
