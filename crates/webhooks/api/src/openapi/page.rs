//! The API description as an HTML page: `GET /docs`.
//!
//! The page is text and style only: it runs no script and loads nothing, so its content security policy can
//! forbid both.

mod markup;
mod operation;
mod schema;

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::markup::{Escaped, Paragraphs};
use super::openapi_json;

const STYLE: &str = include_str!("page/style.css");

/// Returns the page.
pub(crate) fn html() -> &'static str {
    static HTML: LazyLock<String> = LazyLock::new(|| {
        // The text was just serialised from a document.
        let document = serde_json::from_str(openapi_json()).unwrap_or_default();
        let mut html = String::new();
        // Writing to a String cannot fail.
        let _ = write(&mut html, &document);
        html
    });
    &HTML
}

/// Returns the page's content security policy: its own style, and nothing else.
pub(crate) fn content_security_policy() -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

fn write(html: &mut String, document: &Value) -> std::fmt::Result {
    let title = Escaped(text(&document["info"], "title"));
    let version = Escaped(text(&document["info"], "version"));
    writeln!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: API reference</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#top\">Skip to the introduction</a>\n\
         <a class=\"list\" href=\"#operations\">Operations</a>"
    )?;
    navigation(html, document)?;
    writeln!(html, "<main>\n<h1 id=\"top\">{title} <small>{version}</small></h1>")?;
    let introduction = Paragraphs(text(&document["info"], "description"));
    writeln!(
        html,
        "{introduction}<p>Machine-readable: <a href=\"openapi.json\"><code>/openapi.json</code></a> \
         (OpenAPI 3.1).</p>\n\
         <p>The commands read the server's URL from <code>$RDEV</code>, ids from variables such as \
         <code>$ID</code>, and the header <code>Authorization: Bearer &lt;key&gt;</code> from the file \
         <code>authorization</code>. A click selects one.</p>"
    )?;
    for tag in tags(document) {
        let name = Escaped(text(tag, "name"));
        let meaning = Paragraphs(text(tag, "description"));
        writeln!(html, "<h2 id=\"tag-{name}\">{name}</h2>\n{meaning}")?;
        for (method, path, operation) in operations_of(document, tag) {
            operation::write(html, document, method, path, operation)?;
        }
    }
    writeln!(html, "<h2 id=\"schemas\">schemas</h2>")?;
    for (name, schema) in members(&document["components"]["schemas"]) {
        let name = Escaped(name);
        writeln!(html, "<section id=\"schema-{name}\">\n<h3>{name}</h3>")?;
        schema::write(html, schema)?;
        writeln!(html, "</section>")?;
    }
    writeln!(html, "</main>\n</body>\n</html>")
}

fn navigation(html: &mut String, document: &Value) -> std::fmt::Result {
    writeln!(html, "<nav id=\"operations\" aria-label=\"Operations\">\n<a href=\"#top\">Introduction</a>")?;
    for tag in tags(document) {
        let name = Escaped(text(tag, "name"));
        writeln!(html, "<a class=\"tag\" href=\"#tag-{name}\">{name}</a>\n<ul>")?;
        for (_, _, operation) in operations_of(document, tag) {
            let id = Escaped(text(operation, "operationId"));
            let summary = Escaped(text(operation, "summary"));
            writeln!(html, "<li><a href=\"#{id}\">{summary}</a></li>")?;
        }
        writeln!(html, "</ul>")?;
    }
    writeln!(html, "<a class=\"tag\" href=\"#schemas\">schemas</a>\n</nav>")
}

fn tags(document: &Value) -> impl Iterator<Item = &Value> {
    document["tags"].as_array().into_iter().flatten()
}

/// Returns the operations of a tag, each with its method and path; a delivery to receivers has its event type
/// instead of a path.
fn operations_of<'a>(
    document: &'a Value,
    tag: &'a Value,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let items = members(&document["paths"]).chain(members(&document["webhooks"]));
    let all = items
        .flat_map(|(path, item)| members(item).map(move |(method, operation)| (method, path, operation)));
    all.filter(|(_, _, operation)| operation["tags"][0] == tag["name"])
}

/// Returns the members of an object; none for any other value.
fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flat_map(Map::iter);
    members.map(|(name, member)| (name.as_str(), member))
}

/// Returns the text of a member; empty if there is none.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Resolves a reference. Returns any other value unchanged.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|place| document.pointer(place.strip_prefix('#')?));
    target.unwrap_or(value)
}
