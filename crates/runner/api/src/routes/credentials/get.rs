//! `GET /credentials/{name}`: a credential without its value.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;

use super::path::PathCredential;
use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::CredentialView;

/// Get a credential
///
/// Without its value: no response contains it.
#[utoipa::path(
    get,
    path = "/credentials/{name}",
    tag = "credentials",
    operation_id = "getCredential",
    security(("api_key" = ["credentials:read"])),
    params(("name" = types::SecretName, Path)),
    responses((status = 200, description = "The credential.", body = CredentialView))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    caller: Caller,
    PathCredential(name): PathCredential,
) -> Result<Response, Failure> {
    let credential = services.credentials.get(&caller.access, &name).await?;
    Ok(rdev_http::json(&CredentialView::from(&credential)))
}
