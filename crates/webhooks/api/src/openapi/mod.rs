//! The API's own description, in OpenAPI 3.1.
//!
//! Each handler says what is particular about it, and its views and bodies say what they look like; [`finish`]
//! adds what holds of every operation, so that nobody has to repeat it. The whole is made once, on first use.

mod access;
mod common;
mod examples;
mod finish;
pub(crate) mod page;
mod problems;
mod receivers;
pub(crate) mod types;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::{Components, Contact, Info, License, OpenApi, Server, Tag};

use crate::routes;

/// The API's description as a document of JSON, OpenAPI 3.1, that ends in a line break.
#[must_use]
pub fn openapi_json() -> &'static str {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        // Maps with keys of text and plain values have no way to fail.
        examples::put_delivered(&document().to_pretty_json().unwrap_or_default())
    });
    &JSON
}

/// The same for an API that is mounted below a path.
pub(crate) fn openapi_json_below(path: &str) -> String {
    openapi_json().replacen(&url_of_server("/"), &url_of_server(path), 1)
}

/// How the document writes the URL of its server.
fn url_of_server(path: &str) -> String {
    format!("\"url\": {}", Value::from(path))
}

fn document() -> OpenApi {
    let mut info = Info::new("rdev webhooks", env!("CARGO_PKG_VERSION"));
    info.description = Some(include_str!("introduction.md").trim_end().to_owned());
    info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info.contact = Some(Contact::builder().name(Some("rdev webhooks")).build());
    let server = Server::builder().url("/").description(Some("The server of this document.")).build();
    let mut document = OpenApi::builder().info(info).servers(Some([server])).tags(Some(tags())).build();
    document.merge(routes::described());
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.extend(problems::schemas());
    components.schemas.extend(receivers::schemas());
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
        tag("events", "What happened, and what became of it."),
        tag("webhooks", "Where events go."),
        tag("deliveries", "One event on its way to one webhook, attempt by attempt."),
        tag("event types", "Which kinds of events there are, and what their data looks like."),
        tag("api keys", "Who may do what. All of it needs an administrator's key."),
        tag("replays", "Many deliveries of a webhook once more."),
        tag("receivers", "What an endpoint gets."),
        tag("description", "What the API says of itself. No key is needed."),
        tag("health", "Whether a process lives and can do its work. No key is needed."),
    ]
}
