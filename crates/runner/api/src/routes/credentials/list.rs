//! `GET /credentials?project=&limit=&cursor=`: credentials in the order of their names.

use axum::extract::State;
use axum::response::Response;
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};

use crate::Services;
use crate::failure::Failure;
use crate::keys::CredentialKey;
use crate::schema_types as types;
use crate::views::{CredentialList, CredentialView};

rdev_http::members! {
    /// The parameters of `GET /credentials`.
    pub(crate) struct Filters {
        /// Only credentials that this project may use.
        project: Option<types::ProjectName>,
    }
}

/// List credentials
///
/// In the order of their names. A key that is restricted to projects sees those that only its projects may use.
#[utoipa::path(
    get,
    path = "/credentials",
    tag = "credentials",
    operation_id = "listCredentials",
    security(("api_key" = ["credentials:read"])),
    params(Filters, PageParameters),
    responses((status = 200, description = "A page of credentials.", body = CredentialList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter: Filters { project }, page, given }: ListQuery<Filters, CredentialKey>,
) -> Result<Response, Failure> {
    let after = page.before.map(|CredentialKey(name)| name);
    let found =
        services.credentials.list(&caller.access, project.as_ref(), after.as_ref(), page.limit).await?;
    let key = |credential: &rdev_runner_domain::Credential| CredentialKey(credential.name.clone());
    Ok(page::answer(&found, &given, CredentialView::from, key))
}
