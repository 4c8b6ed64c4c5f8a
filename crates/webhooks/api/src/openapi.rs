//! The API description, in OpenAPI 3.1.
//!
//! Each handler declares what is specific to it, and its views and bodies declare their shape; [`rdev_http::openapi`]
//! adds what all operations share. The document is built once, on first use.

mod examples;
mod receivers;
mod routes;

use std::sync::LazyLock;

use rdev_http::openapi::{self, Api, Description};
use serde_json::Value;
use utoipa::openapi::{Components, OpenApi};

pub(crate) use routes::{root, routes};

/// Returns the API description as a JSON document, OpenAPI 3.1, that ends in a line break.
#[must_use]
pub fn openapi_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        // Serialising maps with string keys and plain values cannot fail.
        examples::put_delivered(&document().to_pretty_json().unwrap_or_default())
    });
    &JSON
}

/// Returns the description for the page of `GET /docs`.
fn description() -> Description {
    Description { json: openapi_json, path: "openapi.json", pretty: examples::pretty }
}

/// Returns the description of an API that is mounted below a path.
fn openapi_json_below(path: &str) -> String {
    openapi_json().replacen(&url_of_server("/"), &url_of_server(path), 1)
}

/// Returns the URL of the server as the document writes it.
fn url_of_server(path: &str) -> String {
    format!("\"url\": {}", Value::from(path))
}

fn document() -> OpenApi {
    let introduction = include_str!("openapi/introduction.md");
    let mut document = openapi::document("rdev webhooks", env!("CARGO_PKG_VERSION"), introduction, &TAGS);
    document.merge(crate::routes::described());
    document.merge(<routes::Described as utoipa::OpenApi>::openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(receivers::schemas());
    components.schemas.extend(rdev_http::schema::types::kinds());
    components.schemas.extend(crate::schema_types::kinds());
    components.schemas.extend(crate::routes::named_kinds());
    document.webhooks = Some(receivers::webhooks());
    let api = Api {
        codes: crate::codes::ALL,
        examples: examples::all(),
        instance: "/webhooks/whk_01jhmvbd40fr7s8x1gt0nzcfaw",
        pointer: "/events/0",
    };
    api.complete(&mut document);
    document
}

const TAGS: [(&str, &str); 9] = [
    ("events", "What happened: publish, list and follow events."),
    ("webhooks", "Where events are delivered."),
    ("deliveries", "One event sent to one webhook, attempt by attempt."),
    ("event types", "The event types, and the JSON Schemas of their data."),
    ("api keys", "Keys, and what each may do. Requires the scope `admin`."),
    ("replays", "Redeliver a time range of a webhook's deliveries."),
    ("receivers", "The requests that an endpoint receives."),
    ("description", "The API's own description. Requires no API key."),
    ("health", "Liveness, readiness and metrics of a process. Requires no API key."),
];
