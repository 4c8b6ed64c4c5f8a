//! `GET /openapi.json` and `GET /docs`: the API description, for programs and for people.

use std::sync::LazyLock;

use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{HeaderValue, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use rdev_http::openapi::{Description, Reference};
use rdev_http::{fallback, tag};
use utoipa::OpenApi;

use crate::routes::Routes;

#[derive(OpenApi)]
#[openapi(paths(openapi_json, docs))]
pub(super) struct Described;

/// Returns the routes of the API description, which require no key. The page describes `others` of the same server too.
pub(crate) fn routes(others: Vec<Description>) -> Routes {
    let reference = Reference::new([super::description()].into_iter().chain(others));
    Routes::default()
        .route("/openapi.json", get(openapi_json))
        .route("/docs", get(move |headers| docs(State(reference.clone()), headers)))
}

/// Responds to a path without a route: 404, except that the root leads people to the reference.
pub(crate) async fn root(original: OriginalUri, request: Request) -> Response {
    let is_root = request.uri().path() == "/" && matches!(*request.method(), Method::GET | Method::HEAD);
    let docs = format!("{}/docs", original.path().trim_end_matches('/'));
    match HeaderValue::try_from(docs) {
        Ok(docs) if is_root => (StatusCode::FOUND, [(LOCATION, docs)]).into_response(),
        _ => fallback::no_such_path(original, request).await.into_response(),
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Get the OpenAPI description
///
/// This document, in OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "description",
    operation_id = "describe",
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "The document.", body = Object, headers(("ETag"))),
        (status = 304, description = "Not modified: `If-None-Match` matches the current `ETag`.", headers(("ETag")))
    )
)]
async fn openapi_json(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    static TAG: LazyLock<HeaderValue> = LazyLock::new(|| tag::of_text(super::openapi_json()));
    match uri.path().strip_suffix("/openapi.json") {
        None | Some("") => rdev_http::constant(&headers, TAG.clone(), JSON, super::openapi_json()),
        Some(prefix) => {
            let document = super::openapi_json_below(prefix);
            rdev_http::constant(&headers, tag::of_text(&document), JSON, document)
        }
    }
}

/// API reference (HTML)
///
/// This document, and those of other APIs of the server, as a page. It loads nothing and runs no script.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "description",
    operation_id = "describeToPeople",
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (
            status = 200,
            description = "The page.",
            body = String,
            content_type = "text/html",
            headers(("ETag"), ("Content-Security-Policy")),
            example = json!("<!doctype html>…")
        ),
        (status = 304, description = "Not modified: `If-None-Match` matches the current `ETag`.", headers(("ETag")))
    )
)]
async fn docs(State(reference): State<Reference>, headers: HeaderMap) -> Response {
    reference.response(&headers)
}
