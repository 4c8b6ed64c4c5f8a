//! The API description, in OpenAPI 3.1.
//!
//! Each handler declares what is specific to it, and its views and bodies declare their shape; [`finish`]
//! adds what all operations share. The document is built once, on first use.

mod access;
mod common;
mod examples;
mod finish;
mod page;
mod problems;
mod receivers;
mod routes;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::{Components, Contact, Info, License, OpenApi, Server, Tag};

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

/// Returns the description of an API that is mounted below a path.
fn openapi_json_below(path: &str) -> String {
    openapi_json().replacen(&url_of_server("/"), &url_of_server(path), 1)
}

/// Returns the URL of the server as the document writes it.
fn url_of_server(path: &str) -> String {
    format!("\"url\": {}", Value::from(path))
}

fn document() -> OpenApi {
    let mut info = Info::new("rdev webhooks", env!("CARGO_PKG_VERSION"));
    info.description = Some(include_str!("openapi/introduction.md").trim_end().to_owned());
    info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info.contact = Some(Contact::builder().name(Some("rdev webhooks")).build());
    let server =
        Server::builder().url("/").description(Some("The server that this document comes from.")).build();
    let mut document = OpenApi::builder().info(info).servers(Some([server])).tags(Some(tags())).build();
    document.merge(crate::routes::described());
    document.merge(<routes::Described as utoipa::OpenApi>::openapi());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(problems::schemas());
    components.schemas.extend(receivers::schemas());
    components.schemas.extend(rdev_http::schema::types::kinds());
    components.schemas.extend(crate::schema_types::kinds());
    components.schemas.extend(crate::routes::named_kinds());
    components.responses.extend(problems::responses());
    components.headers.extend(common::headers());
    components.parameters.extend(common::parameters());
    components.security_schemes.extend(common::security_schemes());
    document.webhooks = Some(receivers::webhooks());
    finish::finish(&mut document);
    document
}

fn tags() -> Vec<Tag> {
    let tag = |name: &str, meaning: &str| Tag::builder().name(name).description(Some(meaning)).build();
    vec![
        tag("events", "What happened: publish, list and follow events."),
        tag("webhooks", "Where events are delivered."),
        tag("deliveries", "One event sent to one webhook, attempt by attempt."),
        tag("event types", "The event types, and the JSON Schemas of their data."),
        tag("api keys", "Keys, and what each may do. Requires the scope `admin`."),
        tag("replays", "Redeliver a time range of a webhook's deliveries."),
        tag("receivers", "The requests that an endpoint receives."),
        tag("description", "The API's own description. Requires no API key."),
        tag("health", "Liveness, readiness and metrics of a process. Requires no API key."),
    ]
}
