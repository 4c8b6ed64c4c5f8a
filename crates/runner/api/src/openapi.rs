//! The API description, in OpenAPI 3.1, and `GET /openapi-runner.json`, which serves it.
//!
//! Each handler declares what is specific to it, and its views and bodies declare their shape; [`rdev_http::openapi`]
//! adds what all operations share. The document is built once, on first use.

use std::sync::LazyLock;

use axum::response::Response;
use http::HeaderMap;
use http::header::HeaderValue;
use rdev_http::openapi::{self, Api, Description, Examples};
use rdev_http::tag;
use utoipa::openapi::{Components, OpenApi};

/// The handlers' own descriptions.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::routes::projects::create::create,
    crate::routes::projects::list::list,
    crate::routes::projects::get::get,
    crate::routes::projects::patch::patch,
    crate::routes::projects::delete::delete,
    crate::routes::projects::stats::stats,
    crate::routes::woodpecker::activate::activate,
    crate::routes::woodpecker::secrets::set_secret,
    crate::routes::woodpecker::trigger::trigger,
    crate::routes::woodpecker::list::list,
    crate::routes::commands::create::create,
    crate::routes::commands::list::list,
    crate::routes::commands::get::get,
    crate::routes::commands::events::events,
    crate::routes::commands::cancel::cancel,
    crate::routes::commands::run_again::run_again,
    crate::routes::commands::delete::delete,
    crate::routes::credentials::put::put,
    crate::routes::credentials::list::list,
    crate::routes::credentials::get::get,
    crate::routes::credentials::delete::delete,
    crate::routes::credentials::uses::uses,
    crate::routes::providers::list,
    crate::routes::templates::list::list,
    crate::routes::templates::get::get,
    crate::routes::templates::render::render,
    crate::routes::templates::apply::apply,
    show,
))]
struct Described;

const TAGS: [(&str, &str); 7] = [
    ("projects", "Where agents work, and the settings of their commands."),
    (
        "woodpecker",
        "The repository of a project in a Woodpecker server: activate it, set its secrets, trigger pipelines.",
    ),
    ("commands", "Runs of an agent on a project: queue, follow, cancel and repeat them."),
    (
        "credentials",
        "Secrets of runs: store, replace and delete them, and see who used them. No response has a value.",
    ),
    ("providers", "The registered agents."),
    ("templates", "Templates of projects: show what they make, and write it into workspaces."),
    ("description", "The API's own description. Requires no API key."),
];

/// Returns the API description as a JSON document, OpenAPI 3.1, that ends in a line break.
#[must_use]
pub fn openapi_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        // Serialising maps with string keys and plain values cannot fail.
        document().to_pretty_json().unwrap_or_default() + "\n"
    });
    &JSON
}

/// Returns the description for the page of `GET /docs`, which the webhooks' API serves.
#[must_use]
pub fn description() -> Description {
    Description { json: openapi_json, path: "openapi-runner.json", pretty: |example| format!("{example:#}") }
}

fn document() -> OpenApi {
    let introduction = include_str!("openapi/introduction.md");
    let mut document =
        openapi::document("rdev command runner", env!("CARGO_PKG_VERSION"), introduction, &TAGS);
    document.merge(<Described as utoipa::OpenApi>::openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(rdev_http::schema::types::kinds());
    components.schemas.extend(crate::schema_types::kinds());
    components.schemas.extend(crate::routes::named_kinds());
    let api = Api {
        codes: crate::codes::ALL,
        examples: examples(),
        instance: "/projects/my-project/commands",
        pointer: "/prompt",
    };
    api.complete(&mut document);
    document
}

fn examples() -> &'static Examples {
    static EXAMPLES: LazyLock<Examples> =
        // A test checks the structure of the file.
        LazyLock::new(|| serde_json::from_str(include_str!("openapi/examples.json")).unwrap_or_default());
    &EXAMPLES
}

/// Get the OpenAPI description of the runner
///
/// This document, in OpenAPI 3.1. That of the webhooks at the same server is `/openapi.json`.
#[utoipa::path(
    get,
    path = "/openapi-runner.json",
    tag = "description",
    operation_id = "describeRunner",
    params(("If-None-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "The document.", body = Object, headers(("ETag"))),
        (status = 304, description = "Not modified: `If-None-Match` matches the current `ETag`.", headers(("ETag")))
    )
)]
pub(crate) async fn show(headers: HeaderMap) -> Response {
    static TAG: LazyLock<HeaderValue> = LazyLock::new(|| tag::of_text(openapi_json()));
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    rdev_http::constant(&headers, TAG.clone(), JSON, openapi_json())
}
