//! `PUT /credentials/{name}`: creates a credential, 201 with `Location`, or changes one, 200.

use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use rdev_http::body::Document;
use rdev_http::kind::{Integer, Kind, List};
use rdev_http::members::{Patch, Patched};
use rdev_http::{Caller, Faults};
use rdev_runner_app::NewCredential;
use rdev_runner_domain::{MAX_CREDENTIAL_BYTES, MAX_CREDENTIAL_OVERLAP, MAX_CREDENTIAL_PROJECTS};

use super::path::PathCredential;
use crate::Services;
use crate::failure::{Failure, add_credential_faults};
use crate::routes::limits::setting;
use crate::routes::tools::elements;
use crate::schema_types as types;
use crate::views::CredentialView;

/// The longest body in bytes: a value of control characters alone, each six bytes in JSON, and the rest of the body.
pub(crate) const MAX_BODY: usize = 6 * MAX_CREDENTIAL_BYTES + 128 * 1024;

/// Default overlap in seconds: a day.
const OVERLAP: u32 = 24 * 60 * 60;

rdev_http::members! {
    /// A credential. Members that are absent stay as they are.
    pub(super) struct CredentialBody as NewCredential {
        /// Required for a new credential.
        kind: Patch<types::CredentialKind>,
        /// Required for a new credential. The present value makes no new version. Of the kind `git` it has the lines `host=`,
        /// `username=` and `password=`, and optionally `protocol=`, as `git credential fill` prints them. No response
        /// contains it.
        value: Patch<types::CredentialValue>,
        /// The projects that may use it; `null`, as for a new credential, for all. Each project must also list it among its
        /// `secrets`.
        projects: Patch<List<types::ProjectName, 0, MAX_CREDENTIAL_PROJECTS>>,
        /// When the value ends; `null`, as for a new value, for never. Runs that begin afterwards do not get it.
        expires_at: Patch<types::Timestamp>,
        /// How long a value that is replaced is kept for the runs that have it. After that a restarted runner stops them.
        overlap_seconds: Option<Integer<0, { MAX_CREDENTIAL_OVERLAP.as_secs() as u32 }>> = OVERLAP,
    }
}

/// Create or update a credential
///
/// A value that is not the present one is a new version. New runs get the newest version; a run that goes on keeps the
/// one that it began with.
#[utoipa::path(
    put,
    path = "/credentials/{name}",
    tag = "credentials",
    operation_id = "putCredential",
    security(("api_key" = ["credentials:write"])),
    params(("name" = types::SecretName, Path)),
    request_body = CredentialBody,
    responses(
        (status = 201, description = "The credential was created.", body = CredentialView, headers(("Location"))),
        (status = 200, description = "The credential was updated.", body = CredentialView)
    )
)]
pub(crate) async fn put(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    PathCredential(name): PathCredential,
    document: Document,
) -> Result<Response, Failure> {
    let mut faults = Faults::default();
    let body = CredentialBody::read(&document.root(), &mut faults);
    let mut unread = Vec::new();
    let new = body.map(|body| NewCredential {
        kind: readable(body.kind, "/kind", &mut unread),
        value: readable(body.value, "/value", &mut unread),
        projects: setting(body.projects).map(elements),
        expires_at: setting(body.expires_at),
        overlap: Duration::from_secs(body.overlap_seconds.unwrap_or(OVERLAP).into()),
    });
    // The use case makes this check again.
    if let Some(new) = new.as_ref().filter(|_| !faults.is_empty()) {
        let mut found = services.credentials.check(&caller.access, &name, new).await?;
        found.retain(|fault| !unread.contains(&fault.pointer().as_str()));
        add_credential_faults(&mut faults, &found);
    }
    let new = faults.or(new)?;
    let (credential, is_new) = services.credentials.put(&caller.access, name, new, caller.key).await?;
    let shown = CredentialView::from(&credential);
    Ok(match is_new {
        true => rdev_http::created(StatusCode::CREATED, uri.path(), &shown),
        false => rdev_http::json(&shown),
    })
}

/// Returns the value of a member, and notes the place of one that could not be read.
fn readable<T>(member: Patched<T>, place: &'static str, unread: &mut Vec<&'static str>) -> Option<T> {
    if matches!(member, Patched::Unreadable) {
        unread.push(place);
    }
    member.resolve(None, None)
}
