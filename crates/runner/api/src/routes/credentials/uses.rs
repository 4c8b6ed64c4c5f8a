//! `GET /credentials/{name}/uses?limit=&cursor=`: the commands that got a credential, the newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};
use rdev_runner_domain::CommandId;

use super::path::PathCredential;
use crate::Services;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{CredentialUseList, CredentialUseView};

/// List the uses of a credential
///
/// The newest commands first. Uses are kept as long as commands, also those of a deleted credential.
#[utoipa::path(
    get,
    path = "/credentials/{name}/uses",
    tag = "credentials",
    operation_id = "listCredentialUses",
    security(("api_key" = ["credentials:read"])),
    params(("name" = types::SecretName, Path), PageParameters),
    responses((status = 200, description = "A page of uses.", body = CredentialUseList, headers(("Link"))))
)]
pub(crate) async fn uses(
    State(services): State<Services>,
    caller: Caller,
    PathCredential(name): PathCredential,
    ListQuery { filter: (), page, given }: ListQuery<(), CommandId>,
) -> Result<Response, Failure> {
    let found = services.credentials.uses(&caller.access, &name, page).await?;
    Ok(page::answer(&found, &given, CredentialUseView::from, |used| used.command))
}
