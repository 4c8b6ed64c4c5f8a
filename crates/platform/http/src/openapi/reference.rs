//! The descriptions of a server's APIs as an HTML page: `GET /docs`.
//!
//! The page is text and style only: it runs no script and loads nothing, so its content security policy can
//! forbid both.

mod markup;
mod operation;
mod schema;

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, OnceLock};

use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::markup::{Escaped, Paragraphs};
use crate::{constant, tag};

const STYLE: &str = include_str!("reference/style.css");

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The description of an API.
#[derive(Clone, Copy)]
pub struct Description {
    /// The document, OpenAPI 3.1 as JSON.
    pub json: fn() -> &'static str,
    /// Its path on the server, without the slash.
    pub path: &'static str,
    /// Formats an example for people.
    pub pretty: fn(&Value) -> String,
}

/// The descriptions of a server's APIs as a page. Cheap to clone.
#[derive(Clone)]
pub struct Reference {
    descriptions: Arc<[Description]>,
    page: Arc<OnceLock<(HeaderValue, Bytes)>>,
}

impl Reference {
    /// Returns the page of these descriptions. The first one gives the page its title.
    #[must_use]
    pub fn new(descriptions: impl IntoIterator<Item = Description>) -> Self {
        Self { descriptions: descriptions.into_iter().collect(), page: Arc::default() }
    }

    /// Returns the page as a response. It is made on first use.
    #[must_use]
    pub fn response(&self, headers: &HeaderMap) -> Response {
        static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
            // Letters, digits and punctuation are valid in a header; a page without a policy may do nothing.
            let strictest = HeaderValue::from_static("default-src 'none'");
            HeaderValue::try_from(content_security_policy()).unwrap_or(strictest)
        });
        let (tag, html) = self.page.get_or_init(|| {
            let html = html(&self.descriptions);
            (tag::of_text(&html), html.into())
        });
        let mut response = constant(headers, tag.clone(), HTML, html.clone());
        if response.status() == StatusCode::OK {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        }
        response
    }
}

/// Returns the page's content security policy: its own style, and nothing else.
fn content_security_policy() -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// A document on the page.
struct Document {
    value: Value,
    description: Description,
    /// What the anchors of its own parts begin with, which other documents may have too.
    prefix: String,
}

fn html(descriptions: &[Description]) -> String {
    let documents = descriptions.iter().enumerate().map(|(number, description)| {
        let prefix = if number == 0 { String::new() } else { format!("{}{SEPARATOR}", number + 1) };
        // The text was just serialised from a document.
        let mut value = serde_json::from_str((description.json)()).unwrap_or_default();
        prefix_schemas(&mut value, &prefix);
        Document { value, description: *description, prefix }
    });
    let mut html = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut html, &documents.collect::<Vec<_>>());
    html
}

/// Stands behind the prefix of a schema's name. No name has it.
const SEPARATOR: char = ':';

/// Lets the names of a document's schemas begin with its prefix: those of two documents may be the same.
fn prefix_schemas(document: &mut Value, prefix: &str) {
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        let named = std::mem::take(schemas).into_iter();
        schemas.extend(named.map(|(name, schema)| (format!("{prefix}{name}"), schema)));
    }
    let mut ahead = vec![document];
    while let Some(value) = ahead.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let schema = member.as_str().filter(|_| name == "$ref");
                    match schema.and_then(|place| place.strip_prefix(SCHEMAS)) {
                        Some(schema) => *member = format!("{SCHEMAS}{prefix}{schema}").into(),
                        None => ahead.push(member),
                    }
                }
            }
            Value::Array(elements) => ahead.extend(elements),
            _ => {}
        }
    }
}

/// What references to schemas begin with.
const SCHEMAS: &str = "#/components/schemas/";

fn write(html: &mut String, documents: &[Document]) -> std::fmt::Result {
    let title = documents.first().map_or("", |document| text(&document.value["info"], "title"));
    let title = Escaped(title);
    writeln!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: API reference</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#top\">Skip to the introduction</a>\n\
         <a class=\"list\" href=\"#operations\">Operations</a>\n\
         <nav id=\"operations\" aria-label=\"Operations\">"
    )?;
    for document in documents {
        navigation(html, document)?;
    }
    writeln!(html, "</nav>\n<main>")?;
    for document in documents {
        reference(html, document)?;
    }
    writeln!(html, "</main>\n</body>\n</html>")
}

fn reference(html: &mut String, Document { value, description, prefix }: &Document) -> std::fmt::Result {
    let title = Escaped(text(&value["info"], "title"));
    let version = Escaped(text(&value["info"], "version"));
    writeln!(html, "<h1 id=\"{prefix}top\">{title} <small>{version}</small></h1>")?;
    let introduction = Paragraphs(text(&value["info"], "description"));
    let path = Escaped(description.path);
    writeln!(
        html,
        "{introduction}<p>Machine-readable: <a href=\"{path}\"><code>/{path}</code></a> \
         (OpenAPI 3.1).</p>\n\
         <p>The commands read the server's URL from <code>$RDEV</code>, ids from variables such as \
         <code>$ID</code>, and the header <code>Authorization: Bearer &lt;key&gt;</code> from the file \
         <code>authorization</code>. A click selects one.</p>"
    )?;
    for tag in tags(value) {
        let name = Escaped(text(tag, "name"));
        let meaning = Paragraphs(text(tag, "description"));
        writeln!(html, "<h2 id=\"tag-{prefix}{name}\">{name}</h2>\n{meaning}")?;
        for (method, path, operation) in operations_of(value, tag) {
            operation::write(html, (value, description.pretty), method, path, operation)?;
        }
    }
    writeln!(html, "<h2 id=\"{prefix}schemas\">schemas</h2>")?;
    for (name, schema) in members(&value["components"]["schemas"]) {
        let (anchor, name) = (Escaped(name), Escaped(schema::plain_name(name)));
        writeln!(html, "<section id=\"schema-{anchor}\">\n<h3>{name}</h3>")?;
        schema::write(html, schema)?;
        writeln!(html, "</section>")?;
    }
    Ok(())
}

fn navigation(html: &mut String, Document { value, prefix, .. }: &Document) -> std::fmt::Result {
    let title = Escaped(text(&value["info"], "title"));
    writeln!(html, "<a href=\"#{prefix}top\">{title}</a>")?;
    for tag in tags(value) {
        let name = Escaped(text(tag, "name"));
        writeln!(html, "<a class=\"tag\" href=\"#tag-{prefix}{name}\">{name}</a>\n<ul>")?;
        for (_, _, operation) in operations_of(value, tag) {
            let id = Escaped(text(operation, "operationId"));
            let summary = Escaped(text(operation, "summary"));
            writeln!(html, "<li><a href=\"#{id}\">{summary}</a></li>")?;
        }
        writeln!(html, "</ul>")?;
    }
    writeln!(html, "<a class=\"tag\" href=\"#{prefix}schemas\">schemas</a>")
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
