//! Deleting a credential.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Notice, View};

use super::path;
use crate::path::PathCredential;
use crate::{Shared, failure};

#[derive(Template)]
#[template(path = "credentials/delete.html")]
struct DeletePage {
    action: String,
    back: String,
    name: String,
}

/// Asks before it deletes.
pub(crate) async fn confirm(
    view: View,
    PathCredential(credential): PathCredential,
) -> Result<Response, Problem> {
    let action = view.once(&format!("/credentials/{}/delete", credential.name));
    let page = DeletePage { action, back: path(&view, &credential), name: credential.name.to_string() };
    view.page("Delete credential", &page)
}

pub(crate) async fn delete(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PathCredential(credential): PathCredential,
) -> Result<Response, Problem> {
    let deleted = services.credentials.delete(&caller.access, &credential.name, caller.key).await;
    deleted.map_err(failure::of_credential)?;
    Ok(view.redirect_with("/credentials", &Notice::new("The credential was deleted with its values.")))
}
