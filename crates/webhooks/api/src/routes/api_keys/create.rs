//! `POST /api-keys`: creates an API key. 201 with `Location` and the key, whose text is shown only once.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use rdev_webhooks_app::Services;

use super::new::{self, NewApiKeyBody};
use crate::failure::Failure;
use crate::views::CreatedApiKeyView;
use rdev_http::body::Document;
use rdev_http::{Caller, OperationIds};

/// Create an API key
///
/// The response contains the key itself, `key`, which is shown only once. Several keys may be valid at once, so that
/// one can replace another.
#[utoipa::path(
    post,
    path = "/api-keys",
    tag = "api keys",
    operation_id = "createApiKey",
    security(("api_key" = ["admin"])),
    request_body = NewApiKeyBody,
    responses((status = 201, description = "The API key was created.", body = CreatedApiKeyView, headers(("Location"))))
)]
pub(crate) async fn create(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    caller: Caller,
    OperationIds(ids): OperationIds,
    document: Document,
) -> Result<Response, Failure> {
    let new = new::read(&document, &services.api_keys, &caller.access, ids)?;
    let created = services.api_keys.create(new, ids).await?;

    let location = format!("{}/{}", uri.path(), created.key.id);
    Ok(rdev_http::created(StatusCode::CREATED, location, &CreatedApiKeyView::from(&created)))
}
